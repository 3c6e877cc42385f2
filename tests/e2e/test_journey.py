"""A citizen's whole way through, as the product tells it."""

import json
import re
import time
import urllib.request

from harness.appliance import DOCUMENT, REPOSITORY

OPERATIONS = (REPOSITORY / "docs" / "OPERATIONS.md").read_text()


def test_a_citizen_from_request_to_dispositive(appliance, someone):
    portal, branch = appliance.portal, appliance.branch
    issued = appliance.request(someone, first_half_by="sms")
    assert (issued["state"], issued["level"]) == ("provisional", "ordinary")
    assert [(d["half"], d["medium"]) for d in issued["deliveries"]] == [("first", "sms"), ("second", "post")]
    for secret in (someone.mobile, someone.email, someone.subject):
        assert secret not in issued.text
    appliance.halves(someone, issued)
    assert someone.first != someone.second

    explored = portal.verify(someone.subject, someone.first)
    assert explored.outcome == "verified" and explored["presented"] == "first-half"
    assert sorted(explored["scopes"]) == ["portal.explore", "profile.manage"] and explored["next"] is None
    whole = portal.verify(someone.subject, someone.whole)
    assert whole["presented"] == "provisional" and whole["next"] == "activate"
    assert sorted(whole["scopes"]) == ["portal.explore", "profile.manage"]

    activated = appliance.activate(someone)
    assert activated["level"] == "ordinary" and someone.pin not in (someone.first, someone.second)
    for dead in (someone.first, someone.whole):
        assert portal.verify(someone.subject, dead).outcome == "rejected"
    known = portal.verify(someone.subject, someone.pin)
    assert (known["state"], known["presented"], known["next"]) == ("active", "definitive", None)
    assert sorted(known["scopes"]) == ["claims.defer", "portal.explore", "profile.manage", "records.read"]
    assert known["credential_id"] == someone.credential_id == activated["credential_id"]

    branch.post("/v1/conversions", {"subject": someone.subject, "operator": "op-301", "evidence": {"document": DOCUMENT}}, status=201)
    known = portal.verify(someone.subject, someone.pin)
    assert known["level"] == "dispositive"
    assert sorted(known["scopes"]) == ["claims.submit", "portal.explore", "profile.manage", "records.read"]


def test_each_channel_is_who_its_certificate_says(appliance):
    for role in ("portal", "contact-centre", "branch", "back-office", "courier-sms", "courier-email", "courier-pec",
                 "courier-post", "auditor"):
        who = appliance.shared(role).get("/v1/whoami")
        assert (who["role"], who["name"]) == (role, role)


def test_a_connection_is_kept_alive(appliance):
    channel = appliance.channel("portal")
    channel.get("/v1/whoami")
    first = channel.connection.sock
    for _ in range(20):
        channel.get("/v1/whoami")
        assert channel.connection.sock is first
    channel.close()


def test_request_ids_differ(appliance):
    ids = {appliance.portal.get("/v1/whoami").headers["X-Request-Id"] for _ in range(20)}
    assert len(ids) == 20


def test_the_monitor_listener_tells_health_and_metrics(appliance):
    for path in ("livez", "readyz", "metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/{path}", timeout=10) as answer:
            assert answer.status == 200
            body = answer.read().decode()
    assert "# TYPE" in body


def metrics(appliance):
    with urllib.request.urlopen(f"http://127.0.0.1:{appliance.monitor}/metrics") as answer:
        text = answer.read().decode()
    return text, {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line and line[0] != "#"}


def test_the_appliance_s_own_figures_move_with_what_it_does(appliances, town, someone):
    appliance = appliances({"policy.guess.delay_from": 11})
    _, before = metrics(appliance)
    appliance.active(someone)
    wrong = [appliance.remaining(someone, town) for _ in range(10)]
    appliance.portal.verify(someone.subject, someone.pin)  # locked
    appliance.portal.refused("/v1/credentials", {"subject": someone.subject, "contacts": someone.contacts}, 409, "credential-exists")
    text, after = metrics(appliance)
    moved = lambda name: after[name] - before[name]  # noqa: E731
    assert moved('sigillo_outcomes_total{outcome="rejected"}') == len(wrong)
    assert moved('sigillo_outcomes_total{outcome="locked"}') == 1
    assert moved("sigillo_guess_limit_reached_total") == 1
    assert moved('sigillo_alarms_total{kind="existence-told"}') == 1
    for step in ("charge", "anchor", "evaluate", "settle"):
        assert moved(f'sigillo_step_seconds_count{{step="{step}"}}') >= 10, step
    for function in ("hmac", "random"):
        assert moved(f'sigillo_hsm_call_seconds_count{{function="{function}"}}') > 0, function
    assert moved("sigillo_ledger_entries") > 20 and after["sigillo_anchor_lag_entries"] >= 0
    assert after["sigillo_hsm_workers"] >= 1 and after["sigillo_store_trouble"] == 0
    assert after["sigillo_hsm_logins_total"] >= 1 and "sigillo_hsm_undecided" in after
    assert after['sigillo_certificate_expiry_timestamp_seconds{certificate="server"}'] > time.time()
    for name in {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line.startswith("sigillo_")}:
        family = re.sub("_(bucket|count|sum)$", "", name)
        assert f"# HELP {family} " in text and f"`{family}`" in OPERATIONS, f"{family} is not in docs/OPERATIONS.md"
    for secret in (someone.subject, someone.mobile, someone.email, someone.credential_id):
        assert secret not in text


def test_a_clean_stop_and_start_keep_everything(appliance, someone):
    appliance.active(someone)
    before = appliance.status(someone)
    appliance.restart()
    assert json.dumps(appliance.status(someone), sort_keys=True) == json.dumps(before, sort_keys=True)
    assert appliance.portal.verify(someone.subject, someone.pin).outcome == "verified"
