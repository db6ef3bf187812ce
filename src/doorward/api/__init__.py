"""The admin API: thin functions over control/, and HTTP around them."""
