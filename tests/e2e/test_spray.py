"""Many credentials, one wrong PIN each, from one portal: figures by channel, one alarm, and nobody kept away."""

import urllib.request

MISSES = 6
SETTINGS = {"alarms.spray_misses": MISSES, "alarms.spray_share": 1}


def metrics(appliance):
    with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/metrics", timeout=10) as answer:
        return answer.read().decode()


def ledger(appliance):
    out, after = [], 0
    while True:
        page = appliance.auditor.get(f"/v1/ledger?after={after}&limit=1000")
        if not page["entries"]:
            return out
        out += page["entries"]
        after = page["next_after"]


def test_a_spray_is_told_by_log_metric_and_ledger_and_keeps_nobody_away(appliance, town, someone):
    appliance.active(someone)
    tried = [town.citizen() for _ in range(2 * MISSES)]
    for citizen in tried:
        answer = appliance.portal.verify(citizen.subject, town.pin())
        assert answer.outcome == "rejected" and answer["attempts_remaining"] == 9
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"

    # A window of the clock may have ended in between: then each side of it has at least its six or none.
    text = metrics(appliance)
    raised = [line for line in text.splitlines() if line.startswith('sigillo_alarms_total{kind="spray"} ')]
    assert [line.rsplit(" ", 1)[1] for line in raised] in (["1"], ["2"])
    assert f'sigillo_channel_outcomes_total{{channel="portal:portal",outcome="rejected"}} {2 * MISSES}\n' in text
    assert 'sigillo_channel_outcomes_total{channel="branch:branch",outcome="rejected"} 0\n' in text

    lines = [line for line in appliance.log_text().splitlines() if "kind=spray" in line]
    assert len(lines) in (1, 2) and all("channel=portal:portal" in line for line in lines), lines
    entries = [entry for entry in ledger(appliance) if entry["event"] == "spray"]
    assert len(entries) == len(lines)
    for entry in entries:
        assert entry["channel"] == "portal:portal" and entry["reference"].split(":")[0] == str(MISSES), entry
        assert not entry["subject"].strip("0"), "it is about nobody"
    for citizen in tried:
        assert citizen.subject not in text + "".join(lines)


def test_status_shows_the_failure_rate_of_each_channel(appliance, town, someone):
    appliance.active(someone)
    appliance.portal.verify(town.citizen().subject, town.pin())
    code, said = appliance.ask("status")
    assert code == 0
    portal = next(one for one in said["channels"] if one["channel"] == "portal:portal")
    assert portal["wrong"] > 0 and portal["compared"] > portal["wrong"]
    assert abs(portal["failure_rate"] - portal["wrong"] / portal["compared"]) < 1e-9
    assert "branch:branch" not in [one["channel"] for one in said["channels"]], "it asked for no decision"
    text = appliance.sigillo("status", "--config", str(appliance.configuration)).stdout.decode()
    rate = 100 * portal["failure_rate"]
    assert f'portal:portal  {portal["wrong"]} wrong of {portal["compared"]} ({rate:.1f} %), delayed 0, locked 0' in text, text
