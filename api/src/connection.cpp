#include "connection.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>

#include <api/render.hpp>
#include <base/task.hpp>

#include "response.hpp"

namespace sigillo::api {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
constexpr auto kQuietly = asio::as_tuple(asio::use_awaitable);
constexpr std::string_view kHeaderEnd = "\r\n\r\n";
// A rule's 429 is about one subject, and about letters or claims that people send: no client helps itself by
// coming again sooner. The same key is free again by then.
constexpr std::string_view kOfOneSubject = "Retry-After: 86400\r\n";
// RFC 8446 sections 5.1 and 4: the heads of a record and of the message in it.
constexpr std::size_t kRecordHead = 5, kRecordMax = kRecordHead + 16 * 1024, kHelloHead = kRecordHead + 4;
constexpr std::size_t kHandshake = 22, kClientHello = 1;
constexpr int kUnsentMax = 32 * 1024;
constexpr std::size_t kOutKept = 16 * 1024;  // of the last answer's buffer, for the next

}  // namespace

Connection::Connection(Core& core, TlsContext tls, asio::ip::tcp::socket socket, Place place)
    : core_(core),
      tls_(std::move(tls)),
      stream_(std::move(socket), *tls_),
      watch_(core.channels, stream_.lowest_layer().native_handle(), std::move(place)),
      in_(kHeaderMax + kBodyMax) {
  error_code ignored;
  stream_.lowest_layer().set_option(asio::ip::tcp::no_delay(true), ignored);
  // The kernel would take some megabytes of an answer for a peer that reads nothing, and the budget would see
  // them as taken. What is on its way is not held up.
  ::setsockopt(stream_.lowest_layer().native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentMax,
               sizeof kUnsentMax);
}

Connection::~Connection() {
  base::wipe({reinterpret_cast<base::Byte*>(in_.data()), in_size_});
}

// g++ 12 lays out the frame of a coroutine wrongly where a loop's condition is a co_await and its body is
// empty (its first member lands before the resume pointer, and every handle to it is 8 bytes off): the result
// gets a name.
asio::awaitable<void> Connection::run() {
  bool more = co_await handshake();
  if (!more) co_return;
  while (more) more = co_await exchange();
  co_await farewell();
}

// Only a whole hello makes somebody of who connected: some bytes of one are as cheap as none. One in pieces
// goes on as well, and is the first to go meanwhile. What is no TLS is OpenSSL's to refuse, at once.
asio::awaitable<bool> Connection::hear() {
  const auto byte = [this](std::size_t at) { return std::size_t{static_cast<unsigned char>(in_[at])}; };
  std::size_t whole = kRecordHead;
  while (in_size_ < whole) {
    const auto [ec, count] = co_await stream_.next_layer().async_read_some(
        asio::buffer(in_.data() + in_size_, kRecordMax - in_size_), kQuietly);
    if (ec) co_return false;
    in_size_ += count;
    if (in_size_ >= kRecordHead && byte(0) == kHandshake)
      whole = std::min(kRecordHead + (byte(3) << 8 | byte(4)), kRecordMax);
  }
  if (in_size_ >= kHelloHead && byte(0) == kHandshake && byte(kRecordHead) == kClientHello &&
      kHelloHead + (byte(6) << 16 | byte(7) << 8 | byte(8)) <= whole)
    watch_.heard();
  co_return true;
}

// Not a coroutine, as call_service() is not: what they start may come back before they have returned.
asio::awaitable<void> Connection::shake_hands(error_code& result) {
  // The steps of a handshake run where its handler is bound to, but the first where it is begun, and the
  // hello is here already: on the strand, SSL_do_handshake would sign on an I/O thread and hold up every
  // other connection for as long as the HSM takes. What comes after goes back to the strand.
  auto begin = [this, &result](auto handler) {
    auto done = [&result, strand = stream_.get_executor(), handler = std::move(handler)](
                    error_code ec, std::size_t) mutable {
      result = ec;
      asio::post(strand, std::move(handler));
    };
    const auto signers = core_.handshake_threads.get_executor();
    asio::post(signers, [this, signers, done = std::move(done)]() mutable {
      stream_.async_handshake(asio::ssl::stream_base::server, asio::buffer(in_.data(), in_size_),
                              asio::bind_executor(signers, std::move(done)));
    });
  };
  const auto token = asio::use_awaitable;
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(begin), token);
}

asio::awaitable<bool> Connection::handshake() {
  watch_.phase(core_.options.deadlines.handshake);
  error_code result = asio::error::eof;
  const bool heard = co_await hear();
  if (heard) co_await shake_hands(result);
  in_size_ = 0;
  watch_.leave_place();
  core_.metrics.handshake(!result);
  if (result) co_return false;
  peer_ = peer_identity(stream_.native_handle());
  if (!peer_) co_return false;
  if (!watch_.belongs_to(peer_->certificate_key, core_.options.limits.per_certificate)) {
    core_.metrics.refused_connection();
    co_return false;
  }
  co_return true;
}

asio::awaitable<bool> Connection::fill() {
  if (in_size_ == in_.size()) co_return false;
  const auto [ec, count] =
      co_await stream_.async_read_some(asio::buffer(in_.data() + in_size_, in_.size() - in_size_), kQuietly);
  in_size_ += count;
  co_return !ec && count > 0;
}

asio::awaitable<std::size_t> Connection::read_header_block() {
  if (in_size_ == 0) {
    if (!watch_.rest(core_.options.deadlines.idle)) co_return 0;
    const bool more = co_await fill();
    watch_.wake();
    if (!more) co_return 0;
  }
  watch_.phase(core_.options.deadlines.header);
  for (std::size_t seen = 0;;) {
    const std::string_view read(in_.data(), std::min(in_size_, kHeaderMax));
    const auto end = read.find(kHeaderEnd, seen);
    if (end != std::string_view::npos) co_return end + kHeaderEnd.size();
    if (in_size_ >= kHeaderMax) co_return 0;
    seen = in_size_ < kHeaderEnd.size() ? 0 : in_size_ - kHeaderEnd.size() + 1;
    const bool more = co_await fill();
    if (!more) {
      in_size_ = 0;
      co_return 0;
    }
  }
}

asio::awaitable<bool> Connection::read_body(std::size_t head_size, const RequestHead& head) {
  watch_.phase(core_.options.deadlines.body);
  const std::size_t whole = head_size + static_cast<std::size_t>(head.content_length);
  if (head.expects_continue && in_size_ < whole) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const auto [ec, sent] =
        co_await asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()), kQuietly);
    if (ec) co_return false;
  }
  while (in_size_ < whole) {
    const bool more = co_await fill();
    if (!more) co_return false;
  }
  taken_ = whole;
  co_return true;
}

asio::awaitable<bool> Connection::drop_body(std::size_t head_size, const RequestHead& head) {
  // A server that closes with a body unread loses its own 413: the kernel answers the rest of the body with a
  // reset, and the peer's kernel then throws away what it had received. So up to 64 KiB are read first.
  watch_.phase(core_.options.deadlines.body);
  // Who asked first and was not told to go on sends nothing: waiting for it would only end both in a
  // time-out.
  const bool nothing_comes = head.expects_continue && in_size_ == head_size;
  const std::uint64_t wanted = nothing_comes ? 0 : std::min<std::uint64_t>(head.content_length, kDropMax);
  std::uint64_t dropped = std::min<std::uint64_t>(in_size_ - head_size, wanted);
  const std::size_t behind = in_size_ - head_size - static_cast<std::size_t>(dropped);
  taken_ = in_size_ - behind;
  if (behind == 0) {
    while (dropped < wanted) {
      const auto room = std::min<std::uint64_t>(in_.size() - head_size, wanted - dropped);
      const auto [ec, count] = co_await stream_.async_read_some(
          asio::buffer(in_.data() + head_size, static_cast<std::size_t>(room)), kQuietly);
      if (ec) co_return false;
      dropped += count;
      in_size_ = std::max(in_size_, head_size + count);
      taken_ = in_size_;
    }
  }
  unread_ = dropped < head.content_length;
  co_return true;
}

asio::awaitable<bool> Connection::exchange() {
  const auto head_size = co_await read_header_block();
  if (head_size == 0 && in_size_ < kHeaderMax) co_return false;
  const auto begun = std::chrono::steady_clock::now();
  request_id_ = new_request_id();
  HeadStore store;
  RequestHead head;
  Outcome out;
  if (head_size == 0) {
    out.close = unread_ = true;
    answer(out, Problem{.code = Code::header_too_large, .pointer = {}});
  } else if (const auto fault = read_head({in_.data(), head_size}, store, head); !fault.empty()) {
    out.close = unread_ = true;
    answer(out, Problem{.code = Code::invalid_request, .pointer = {}, .detail = fault});
  } else {
    const bool whole = head.content_length <= kBodyMax;
    const bool read = whole ? co_await read_body(head_size, head) : co_await drop_body(head_size, head);
    if (!read) co_return false;
    out.close = !head.keep_alive || unread_;
    watch_.phase(core_.options.deadlines.handler);
    const std::string_view body(in_.data() + head_size,
                                whole ? static_cast<std::size_t>(head.content_length) : 0);
    co_await decide(head, body, out);
  }
  out.close = out.close || core_.channels.draining();
  const auto status = out.answer.status;
  const bool sent = co_await write(out, head.method != "HEAD");
  core_.metrics.request(out.route, status,
                        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  if (!sent) co_return false;
  forget(taken_);
  co_return !out.close;
}

appliance::ChannelPtr Connection::channel() const {
  // A certificate that ends while its connection is open ends the connection's rights too.
  if (!peer_->channel || core_.clock.now() > peer_->expires_at) return nullptr;
  return core_.service.channel(peer_->channel->first, peer_->channel->second, peer_->certificate_key);
}

asio::awaitable<void> Connection::decide(const RequestHead& head, std::string_view body, Outcome& out) {
  const auto caller = channel();
  if (auto fault = channel_fault(caller)) {
    // While the appliance is sealed it cannot read who is enrolled: that is its state, not the channel's
    // fault.
    const auto reasons = core_.service.readiness().reasons;
    const bool is_sealed = !caller && std::ranges::find(reasons, "sealed") != reasons.end();
    out.close = true;
    if (is_sealed)
      answer(out, appliance::Outage::sealed);
    else
      answer(out, *fault);
    co_return;
  }
  if (core_.quotas.on()) {
    const auto grant = core_.quotas.take(caller->certificate_key, steady_ms());
    out.headers = core_.quotas.headers(grant);
    if (!grant.granted) {
      answer(out, Problem{.code = Code::quota_exceeded, .pointer = {}, .retry_after_s = grant.wait_s});
      co_return;
    }
  }
  auto admission = admit(head, body, caller, request_id_);
  out.route = admission.route;
  auto* const call =
      admission.key_first ? &*admission.key_first : std::get_if<appliance::Call>(&admission.verdict);
  if (call != nullptr) {
    auto share = core_.answers.take(caller->label(), large_answer(call->request));
    if (!share) {
      answer(out, appliance::Outage::overloaded);
      co_return;
    }
    out.share = std::move(*share);
    co_await call_service(*call);
    if (const auto* const outage = std::get_if<appliance::Outage>(&*reply_)) {
      answer(out, *outage);
    } else {
      out.answer = std::move(std::get<appliance::Rendered>(*reply_));
      if (out.answer.status == 429) out.headers += kOfOneSubject;
    }
    out.share.resize(out.answer.body.expose().size());
    reply_.reset();
  } else if (std::holds_alternative<Whoami>(admission.verdict)) {
    out.answer = render_whoami(*caller, peer_->expires_at, core_.quotas.quotas());
  } else {
    answer(out, std::get<Problem>(admission.verdict));
  }
}

asio::awaitable<void> Connection::call_service(appliance::Call& call) {
  auto begin = [this, &call](auto handler) {
    core_.in_flight.begin();
    // The service answers on a thread of its own; the connection goes on on its strand, and only once this
    // was posted may the server be taken down.
    auto done = [this, &in_flight = core_.in_flight,
                 handler = std::move(handler)](appliance::Reply reply) mutable {
      reply_.emplace(std::move(reply));
      asio::post(stream_.get_executor(), std::move(handler));
      in_flight.end();
    };
    base::start(core_.service.execute(std::move(call)), std::move(done));
  };
  const auto token = asio::use_awaitable;
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(begin), token);
}

void Connection::answer(Outcome& out, const Problem& problem) const {
  if (DoorLog::is_for(problem.code)) {
    core_.metrics.turned_away(problem.code);
    core_.door_log.turned_away(problem.code, *peer_, core_.clock.now());
  }
  out.answer = render(problem, request_id_);
  if (problem.retry_after_s) out.headers += "Retry-After: " + std::to_string(*problem.retry_after_s) + "\r\n";
  if (!problem.allow.empty()) out.headers += "Allow: " + problem.allow + "\r\n";
}

void Connection::answer(Outcome& out, appliance::Outage outage) const {
  core_.metrics.outage(outage);
  answer(out, problem_of(outage));
}

asio::awaitable<bool> Connection::write(Outcome& outcome, bool body_too) {
  watch_.phase(core_.options.deadlines.write);
  const bool text = outcome.route != nullptr && outcome.route->text_answer;
  // A refusal that is told again has the id of its first run in its body: the header says the same.
  const std::string& named = outcome.answer.request_id;
  compose({.status = outcome.answer.status,
           .text_plain = text,
           .close = outcome.close,
           .body_too = body_too,
           .request_id = named.empty() ? std::string_view(request_id_) : std::string_view(named),
           .headers = outcome.headers,
           .body = outcome.answer.body.expose_text()},
          core_.clock.now(), out_);
  outcome.answer.body = {};  // of a large one who reads slowly has one copy and not two
  const auto [ec, sent] =
      co_await asio::async_write(stream_, asio::buffer(out_.data(), out_.size()), kQuietly);
  base::wipe(out_);
  if (out_.capacity() > kOutKept) std::string().swap(out_);
  co_return !ec;
}

void Connection::forget(std::size_t bytes) {
  const std::size_t behind = in_size_ - bytes;
  if (behind != 0) std::memmove(in_.data(), in_.data() + bytes, behind);
  base::wipe({reinterpret_cast<base::Byte*>(in_.data()) + behind, bytes});
  in_size_ = behind;
  taken_ = 0;
}

asio::awaitable<void> Connection::farewell() {
  watch_.phase(core_.options.deadlines.farewell);
  // What is left of a body is read until the peer is done or time is up, so that the answer reaches it.
  while (unread_) {
    const auto [ec, count] = co_await stream_.async_read_some(asio::buffer(in_.data(), in_.size()), kQuietly);
    in_size_ = std::max(in_size_, count);
    unread_ = !ec;
  }
  (void)co_await stream_.async_shutdown(kQuietly);
}

}  // namespace sigillo::api
