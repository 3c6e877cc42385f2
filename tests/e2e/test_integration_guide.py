"""docs/INTEGRATION.md is really run: its shell calls against an appliance, its Python on a real receipt."""

import json
import re
import subprocess

import pytest
from harness.appliance import REPOSITORY
from harness.contract import contract

SETTINGS = {"policy.guess.delay_from": 11}
GUIDE = (REPOSITORY / "docs" / "INTEGRATION.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def shell(appliance, text, **instead):
    """What the guide prints, with the appliance's folder and port, and the PINs that this citizen has."""
    calls = blocks("sh")[0].replace("cd DIR", f"cd {appliance.directory}").replace("https://localhost:8443", f"https://localhost:{appliance.port}")
    for old, new in instead.items():
        text = text.replace(old.replace("_", "-"), new)
    done = subprocess.run(["bash", "-euc", calls + text], capture_output=True, timeout=60, check=True)
    answers, rest = [], done.stdout.decode()
    while rest.strip():
        value, end = json.JSONDecoder().raw_decode(rest.strip())
        answers.append(value)
        rest = rest.strip()[end:]
    assert answers[0]["role"] == "portal"  # the first block ends with whoami
    return answers[1:]


@pytest.fixture(scope="module")
def mario(appliance):
    """The guide's citizen on the way that the guide shows: requested, then active."""
    request, verify, activate = (c + "\n" for c in re.split(r"\n(?=sigillo_call)", blocks("sh")[1].strip()))
    (issued,) = shell(appliance, request)
    assert issued["state"] == "provisional" and [d["medium"] for d in issued["deliveries"]] == ["sms", "post"]
    pins = {d["half"]: appliance.delivery(d["medium"], d["delivery_id"])["pin"] for d in issued["deliveries"]}
    (seen,) = shell(appliance, verify, ABCD_2345=pins["first"])
    assert seen["outcome"] == "verified" and seen["presented"] == "first-half" and seen["receipt"]
    (given,) = shell(appliance, activate, ABCD_2345_EFGH_6789=f"{pins['first']}-{pins['second']}")
    assert given["outcome"] == "verified"
    return {"pin": given["pin"], "receipt": seen["receipt"]}


def test_the_calls_of_the_guide_do_what_it_says(appliance, mario, tmp_path):
    renew, claim = blocks("sh")[2], blocks("sh")[3]
    (renewed,) = shell(appliance, renew, ABCD2345=mario["pin"])
    assert renewed["outcome"] == "verified" and renewed["pin"] != mario["pin"]
    mario["pin"] = renewed["pin"]
    (tmp_path / "claim.pdf").write_bytes(b"%PDF a claim")
    (deferred,) = shell(appliance, claim.replace("claim.pdf", str(tmp_path / "claim.pdf")), ABCD2345=mario["pin"])
    assert deferred["decision"] == "deferred" and deferred["receipt"]
    assert len(blocks("sh")) == 4  # a block that is added has to be run here too


def test_the_receipt_check_of_the_guide_takes_a_right_one_and_no_other(appliance, mario):
    (code,) = blocks("python")
    scope = {}
    exec(compile(code, "INTEGRATION.md", "exec"), scope)  # noqa: S102: it is our own page
    keys = appliance.portal.get("/v1/keys").json
    claims = scope["verify_receipt"](mario["receipt"], keys, "urn:sigillo:channel:portal:portal")
    assert claims["outcome"] == "verified" and claims["amr"]
    with pytest.raises(ValueError):
        scope["verify_receipt"](mario["receipt"], keys, "urn:sigillo:channel:branch:branch")
    head, body, signature = mario["receipt"].split(".")
    for forged in (f"{head}.{body[:-2]}AA.{signature}", f"{head}.{body}.{signature[:-4]}AAAA"):
        with pytest.raises(Exception):  # noqa: B017: the library's own
            scope["verify_receipt"](forged, keys, "urn:sigillo:channel:portal:portal")


def test_the_guide_has_words_for_every_outcome_and_names_no_code_that_is_not_there():
    for outcome in ("rejected", "delayed", "locked", "expired", "verified", "link-sent", "not-eligible", "deferred", "granted"):
        assert f"`{outcome}`" in GUIDE, outcome
    for code in re.findall(r"(?:400|403|409|422|429) `([a-z-]+)`", GUIDE):
        assert code in contract().codes, code
