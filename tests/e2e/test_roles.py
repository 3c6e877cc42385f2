"""Every cell of the table of roles and operations, and who has no place in it."""

import ssl

import pytest
from harness.channel import Channel, tls_context
from harness.contract import contract

PORTAL, DESK, BRANCH, OFFICE, AUDITOR = "portal", "contact-centre", "branch", "back-office", "auditor"
COURIERS = ["courier-sms", "courier-email", "courier-pec", "courier-post"]
ROLES = [PORTAL, DESK, BRANCH, OFFICE, *COURIERS, AUDITOR]

# Written from the words of the contract, not from openapi.yaml: the two are held against each other below.
TABLE = {
    ("POST", "/v1/credentials"): [PORTAL, DESK, BRANCH],
    ("POST", "/v1/credentials/{credential_id}/halves"): [PORTAL, DESK],
    ("POST", "/v1/verifications"): [PORTAL, DESK, BRANCH],
    ("POST", "/v1/activations"): [PORTAL],
    ("POST", "/v1/renewals"): [PORTAL],
    ("POST", "/v1/conversions"): [PORTAL, BRANCH],
    ("POST", "/v1/conversions/{conversion_id}/evidence"): [PORTAL, OFFICE, BRANCH],
    ("POST", "/v1/conversions/{conversion_id}/decision"): [OFFICE, BRANCH],
    ("GET", "/v1/conversions/{conversion_id}"): [PORTAL, OFFICE, BRANCH],
    ("POST", "/v1/authorizations"): [PORTAL],
    ("GET", "/v1/authorizations/{authorization_id}"): [PORTAL],
    ("POST", "/v1/recoveries"): [PORTAL, BRANCH],
    ("POST", "/v1/recoveries/{recovery_id}/confirmation"): [PORTAL],
    ("POST", "/v1/revocations"): [PORTAL, BRANCH],
    ("POST", "/v1/revocations/{revocation_id}/confirmation"): [PORTAL],
    ("POST", "/v1/blocks"): [DESK, BRANCH],
    ("POST", "/v1/contacts"): [PORTAL, DESK, BRANCH],
    ("POST", "/v1/status"): [DESK, BRANCH, OFFICE],
    ("POST", "/v1/outbox/leases"): COURIERS,
    ("POST", "/v1/outbox/acks"): COURIERS,
    ("GET", "/v1/keys"): ROLES,
    ("GET", "/v1/whoami"): ROLES,
    ("GET", "/v1/ledger"): [AUDITOR],
    ("GET", "/v1/ledger/checkpoint"): [AUDITOR],
}


def test_the_table_and_the_openapi_description_agree():
    described = {(o.method, o.template): sorted(o.roles) for o in contract().operations if o.roles}
    assert described == {cell: sorted(roles) for cell, roles in TABLE.items()}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_is_its_own_and_nothing_else(appliance, role):
    channel = appliance.shared(role)
    for (method, template), allowed in TABLE.items():
        path = template.replace("{", "").replace("}", "")
        answer = channel.call(method, path, {} if method == "POST" else None)
        if role in allowed:
            assert answer.code != "role-not-permitted" if answer.status >= 400 else True, (method, path, answer)
        else:
            assert (answer.status, answer.code) == (403, "role-not-permitted"), (method, path, answer)


def test_another_role_learns_nothing_of_what_it_may_not_do(appliance, someone):
    """The role is judged before the body: a right and a wrong one get the same."""
    appliance.request(someone)
    for body in ({"subject": someone.subject, "pin": "ABCDEFGH"}, {"subject": "x"}, {}):
        appliance.back_office.refused("/v1/verifications", body, 403, "role-not-permitted")
    appliance.back_office.call("POST", "/v1/verifications", raw=b"{", status=403)


def test_without_a_client_certificate_nothing_is_answered(appliance):
    stranger = Channel(appliance.directory, "portal", appliance.port)
    stranger.context = tls_context(appliance.directory, "portal", certificate=False)
    with pytest.raises((ssl.SSLError, ConnectionError)):  # TLS 1.3: at the first read
        stranger.get("/v1/whoami")


def test_a_certificate_of_another_authority_is_not_taken(appliance, appliances):
    other = appliances()
    foreign = Channel(appliance.directory, "portal", appliance.port)
    foreign.context.load_cert_chain(other.directory / "channels/portal/cert.pem", other.directory / "channels/portal/key.pem")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        foreign.get("/v1/whoami")


def test_tls_1_2_is_refused(appliance):
    old = Channel(appliance.directory, "portal", appliance.port)
    old.context.minimum_version = ssl.TLSVersion.TLSv1_2
    old.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        old.get("/v1/whoami")


def test_a_revoked_channel_is_cut_off_in_the_middle_of_a_connection(appliances):
    appliance = appliances()
    appliance.portal.get("/v1/whoami")
    connection = appliance.portal.connection
    appliance.act("channel", "revoke", "portal", "portal")
    appliance.portal.refused("/v1/whoami", None, 403, "channel-revoked", method="GET")
    assert appliance.portal.connection in (connection, None)
    appliance.portal.refused("/v1/nowhere", None, 403, "channel-revoked", method="GET")  # before the path is looked at
    appliance.branch.get("/v1/whoami")
