import pytest

from doorward.model.call import Era
from doorward.wire import versions


@pytest.mark.spec("DW-047")
@pytest.mark.parametrize("version", versions.LEGACY_VERSIONS)
def test_a_known_legacy_version_is_echoed(version: str) -> None:
    assert versions.negotiate(version) == version
    assert versions.era_of(version) is Era.LEGACY


@pytest.mark.spec("DW-047")
@pytest.mark.parametrize("version", ["2026-07-28", "2027-01-01", "", "1.0", "2025-11-25 "])
def test_any_other_is_counter_offered_the_latest(version: str) -> None:
    assert versions.negotiate(version) == "2025-11-25"


@pytest.mark.spec("DW-054")
def test_eras() -> None:
    assert versions.era_of("2026-07-28") is Era.MODERN
    with pytest.raises(ValueError, match="unknown"):
        versions.era_of("2027-01-01")
