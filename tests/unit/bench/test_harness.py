"""The arithmetic of the bench: a wrong median or a lost pairing would be believed for years."""

import json
from pathlib import Path

import pytest

from bench import docs
from bench.harness import plan, report, scenes, stage, turns, usage


def figures(cpu_us: float, errors: float = 0) -> report.Figures:
    return {"cpu_us": cpu_us, "user_us": cpu_us / 2, "errors": errors}


def test_the_names_that_the_project_promises_are_measured() -> None:
    promised = {
        *("direct_json_1k_c16", "nginx_json_1k_c16", "governed_json_1k_c16", "governed_flat_1k_c16"),
        *("relay_json_1k_c1", "relay_json_1k_c16", "relay_json_1k_c64", "relay_json_64k_c16"),
        *("relay_sse_1k_c16", "relay_modern_1k_c16", "relay_stdio_1k_c16", "governed_json_10k_c16"),
        *("idle_sse_connection", "connections_2000", "refused_request", "relay_half_load", "idle_session"),
        *("small_beside_1mb", "small_beside_4mb", "relay_tls_1k_c16"),
        *("aggregate_1k_c16", "list_13000_cold", "list_13000_warm", "list_13000"),
        *("cross_l2m_1k_c16", "cross_m2l_1k_c16"),
    }
    assert promised <= set(plan.names())


def test_a_subset_brings_its_nginx_runs_and_nothing_else() -> None:
    pairs, scenes = plan.subset(["governed_flat_1k_c16", "relay_json_64k_c1"])
    assert plan.names(pairs, scenes) == [
        *("nginx_json_64k_c1", "relay_json_64k_c1"),
        *("nginx_flat_1k_c16", "governed_flat_1k_c16"),
    ]
    assert plan.gateways(pairs) == ["relay", "governed"]


def test_what_nginx_cannot_serve_is_held_against_what_it_can() -> None:
    pairs, _ = plan.subset(["relay_stdio_1k_c16"])
    assert plan.names(pairs, ()) == ["nginx_json_1k_c16", "relay_stdio_1k_c16"]
    results = report.Results()
    for measurement, cpu_us in zip(pairs[0].measurements(reverse=False), (20.0, 50.0), strict=True):
        results.add(measurement, 0, figures(cpu_us))
    assert results.condensed()["relay_stdio_1k_c16"]["ratio_nginx"] == 2.5


def test_tls_is_held_against_nginx_with_tls_at_listeners_of_their_own() -> None:
    pairs, _ = plan.subset(["relay_tls_1k_c16"])
    nginx, relay = pairs[0].measurements(reverse=False)
    assert (nginx.name, nginx.place) == ("nginx_tls_1k_c16", "nginx_tls")
    assert (relay.name, relay.place, relay.yardstick) == ("relay_tls_1k_c16", "relay_tls", nginx)
    assert plan.gateways(pairs) == ["relay_tls"]


def test_a_scene_is_a_name_as_others_are() -> None:
    pairs, scenes = plan.subset(["small_beside_1mb", "idle_sse_connection"])
    assert (pairs, scenes) == ((), ("idle_sse_connection", "small_beside_1mb"))
    assert plan.gateways(pairs, scenes) == ["relay", "governed"]
    assert plan.gateways(pairs, ("connections_2000",)) == []
    assert plan.gateways((), ("list_13000_warm",)) == []
    assert "relay" in plan.gateways((), ("aggregate_1k_c16",))


def test_the_table_has_room_for_figures_of_any_kind() -> None:
    told = report.table({"idle_sse_connection": {"bytes": 5591}, "a": {"p99_ms": 1.5, "added_p99_ms": 0.25}})
    assert "bytes 5591.000" in told
    assert "1.500" in told
    assert "added_p99_ms 0.250" in told


def test_a_target_has_a_path_for_each_endpoint() -> None:
    upstream, gateway = stage.Target(1, "/mcp{1}", 1), stage.Target(1, "/mcp/{0}", 1)
    assert [upstream.path(name) for name in ("echo", "stream")] == ["/mcp", "/mcp-stream"]
    assert [gateway.path(name) for name in ("echo", "stream")] == ["/mcp/echo", "/mcp/stream"]


def test_a_subset_refuses_a_name_that_is_not_measured() -> None:
    with pytest.raises(plan.UnknownName, match="governed_flat_1k_c17"):
        plan.subset(["governed_flat_1k_c17"])


def test_the_ratio_is_taken_within_each_round() -> None:
    """Rounds of 2, 3 and 4 times nginx on a machine that slows down: the medians alone would say 30 / 10."""
    results = report.Results()
    nginx, relay = plan.Measurement("nginx", "json_1k", 16), plan.Measurement("relay", "json_1k", 16)
    for number, (base, gateway) in enumerate([(10.0, 40.0), (10.0, 30.0), (100.0, 200.0)]):
        results.add(nginx, number, figures(base))
        results.add(relay, number, figures(gateway, errors=number))
    condensed = results.condensed()
    assert condensed["relay_json_1k_c16"]["cpu_us"] == 40
    assert condensed["relay_json_1k_c16"]["ratio_nginx"] == 3
    assert condensed["relay_json_1k_c16"]["errors"] == 3
    assert condensed["nginx_json_1k_c16"]["ratio_nginx"] == 1


def test_a_subset_merges_and_a_whole_run_replaces(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    report.write(path, {"a": figures(1), "b": figures(2)}, {"cores": 2}, merge=False)
    report.write(path, {"b": figures(3)}, {"cores": 4}, merge=True)
    told = json.loads(path.read_text())
    assert (told["a"]["cpu_us"], told["b"]["cpu_us"], told["machine"]) == (1, 3, {"cores": 4})
    report.write(path, {"b": figures(5)}, {}, merge=False)
    assert "a" not in json.loads(path.read_text())


def test_spent_takes_the_total_from_the_scheduler_and_the_split_from_ticks() -> None:
    before = usage.Sample(user_ticks=10, system_ticks=10, run_ns={1: 5_000_000_000})
    after = usage.Sample(user_ticks=40, system_ticks=20, run_ns={1: 5_300_000_000, 2: 100_000_000})
    spent = usage.spent(before, after)
    assert spent.total_s == pytest.approx(0.4)
    assert spent.user_s == pytest.approx(0.3)


def test_spent_falls_back_on_ticks_when_a_thread_has_ended() -> None:
    before = usage.Sample(user_ticks=0, system_ticks=0, run_ns={1: 0, 2: 9_000_000_000})
    after = usage.Sample(user_ticks=usage.TICKS_PER_SECOND, system_ticks=0, run_ns={1: 1})
    assert usage.spent(before, after).total_s == pytest.approx(1.0)


def test_prepared_replies_are_distinct_reproducible_and_say_the_same_twice() -> None:
    lines = list(docs.single_replies(seed=1, count=500))
    assert len(set(lines)) == len(lines)
    assert lines == list(docs.single_replies(seed=1, count=500))
    assert 1000 < sum(map(len, lines)) / len(lines) < 1600
    for line in lines:
        result = json.loads(line)
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


def test_pages_have_about_the_size_asked_for() -> None:
    for line in docs.page_replies(seed=1, count=3, size=65536):
        assert 64_000 < len(line.encode()) < 68_000


def test_turns_are_charged_over_all_calls_of_their_way() -> None:
    spent = [usage.Spent(0.002, 0.001), usage.Spent(0.004, 0.001)]
    assert turns.per_call(spent, 100) == pytest.approx(
        {"cpu_us": 80.0, "user_us": 60.0, "sys_us": 20.0, "errors": 0}
    )


def test_every_way_has_a_turn_in_every_round_and_no_fixed_neighbour() -> None:
    names = ["own", "together", "other"]
    orders = [turns.order(names, number) for number in range(20)]
    assert all(sorted(one) == sorted(names) for one in orders)
    assert {one[0] for one in orders} == set(names)


def test_a_bare_sync_is_measured_in_room_of_each_kind(tmp_path: Path) -> None:
    told = scenes.synced(tmp_path, times=3)
    assert set(told) == {
        f"fdatasync_{kind}{what}" for kind in ("", "written_", "spaced_") for what in ("p50_ms", "cpu_us")
    }
    assert min(told.values()) > 0
    assert list(tmp_path.iterdir()) == []
