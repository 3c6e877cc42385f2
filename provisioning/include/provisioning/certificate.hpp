// Certificates, as the officers' commands use them: the appliance's own functions, which a running appliance
// issues with too. Thread rule: pure functions.
#pragma once

#include <appliance/certificate.hpp>

namespace sigillo::provisioning {

using appliance::Certificate;
using appliance::generate_p256;
using appliance::issue_channel;
using appliance::issue_server;
using appliance::Issuer;
using appliance::key_digest;
using appliance::make_ca;
using appliance::make_request;
using appliance::PrivateKey;
using appliance::to_pem;
using appliance::Validity;

}  // namespace sigillo::provisioning
