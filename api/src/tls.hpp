// The TLS side: the context that every connection takes, and who a peer is by its certificate.
// TLS 1.3 only, a client certificate under the channel CA or no connection, no session that outlives its
// connection (no tickets, no cache), so that every connection proves its key anew. Thread rule: a context is
// immutable once made; a change makes a new one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ssl/context.hpp>

#include <api/server.hpp>
#include <appliance/channel.hpp>

namespace sigillo::api {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;
base::Result<TlsContext> make_tls_context(const ServerOptions& options);

// Which certificate ends when: the server's own and the channel CA's. Of no context, which is a sealed
// appliance's: none.
std::vector<std::pair<std::string, base::Instant>> certificate_ends(const TlsContext& context);

// From the one `urn:sigillo:channel:` URI of the subject's alternative names, never from CN (CVE-2025-6037):
// a CN is text that a CA may let the applicant choose.
struct PeerIdentity {
  std::optional<std::pair<appliance::Role, std::string>> channel;  // none: no such URI, or more than one
  base::Digest certificate_key{};                                  // SHA-256 of SubjectPublicKeyInfo
  base::Instant expires_at;
};
std::optional<PeerIdentity> peer_identity(SSL* ssl);

}  // namespace sigillo::api
