"""Who is asking: virtual keys and the directory that knows them."""
