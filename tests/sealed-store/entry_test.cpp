// The ledger entry's encoding and the sealed record: shapes that stay for ever, and refuse anything else.
#include <map>
#include <random>

#include <sealed_store/record_sealer.hpp>

#include "ledger_row.hpp"
#include "testing.hpp"

namespace sigillo::sealed_store::testing {
namespace {

LedgerEntry full_entry() {
  LedgerEntry entry;
  entry.seq = 7;
  entry.node = 3;
  entry.event = event(kCharge, 1, 1'234'567);
  entry.event.outcome = 9;
  entry.event.operator_name = "rossi";
  entry.event.reference = "abc-1";
  entry.event.attempt = 6;
  entry.event.guard.emplace(guard_key(1), GuardValue{2, 1, {99}});
  entry.root = base::sha256({base::view("root")});
  entry.guard_hash = base::sha256({base::view("guards")});
  return entry;
}

TEST(LedgerEncoding, comes_back_as_it_was) {
  const auto entry = full_entry();
  const auto decoded = decode(encode(entry));
  ASSERT_OK(decoded);
  EXPECT_EQ(encode(*decoded), encode(entry));
  EXPECT_EQ(decoded->event.operator_name, "rossi");
  EXPECT_EQ(decoded->event.guard, entry.event.guard);
  EXPECT_EQ(decoded->root, entry.root);
  EXPECT_EQ(decoded->guard_hash, entry.guard_hash);
}

TEST(LedgerEncoding, is_these_bytes_for_ever) {
  LedgerEntry entry;
  entry.seq = 1;
  entry.node = 2;
  entry.event.time = {3};
  entry.event.kind = 4;
  entry.event.outcome = 5;
  entry.event.channel = "a";
  entry.event.attempt = 6;
  EXPECT_EQ(base::to_hex(encode(entry)),
            "01"
            "0000000000000001"
            "00000002"
            "0000000000000003"
            "0004"
            "0005"
            "00000000000000000000000000000000"
            "0000000000000006"
            "0161"
            "00"
            "00"
            "00");
}

TEST(LedgerEncoding, every_other_length_is_refused) {
  const auto encoded = encode(full_entry());
  for (std::size_t size = 0; size < encoded.size(); ++size) {
    EXPECT_ERRC(decode(base::ByteView(encoded).first(size)), Errc::corrupt);
  }
  auto longer = encoded;
  longer.push_back(0);
  EXPECT_ERRC(decode(longer), Errc::corrupt);
}

TEST(LedgerEncoding, every_changed_byte_changes_the_hash_or_is_refused) {
  const auto entry = full_entry();
  const auto hash = chain_hash({}, entry);
  const auto encoded = encode(entry);
  for (std::size_t at = 0; at < encoded.size(); ++at) {
    auto changed = encoded;
    changed[at] ^= 1;
    const auto decoded = decode(changed);
    if (decoded) {
      EXPECT_NE(chain_hash({}, *decoded), hash) << at;
    }
  }
  EXPECT_NE(chain_hash(hash, entry), hash);
}

TEST(LedgerEncoding, texts_beyond_their_limit_are_cut) {
  auto entry = full_entry();
  entry.event.channel.assign(300, 'c');
  const auto decoded = decode(encode(entry));
  ASSERT_OK(decoded);
  EXPECT_EQ(decoded->event.channel.size(), 80u);
}

LedgerEntry random_entry(std::mt19937_64& random) {
  const auto number = [&random] { return random() >> (random() % 64); };  // of every magnitude
  LedgerEntry entry;
  entry.seq = number() >> 1;
  entry.node = static_cast<std::uint32_t>(number());
  entry.event.time = {static_cast<std::int64_t>(number() - number())};
  entry.event.kind = static_cast<std::uint16_t>(number());
  entry.event.outcome = static_cast<std::uint16_t>(number());
  if (random() % 2 == 0) entry.event.subject = subject(static_cast<std::uint32_t>(random()));
  entry.event.channel.assign(random() % 81, 'c');
  entry.event.operator_name.assign(random() % 65, 'o');
  entry.event.reference.assign(random() % 65, '\xff');
  if (random() % 2 == 0) entry.event.attempt = number();
  if (random() % 2 == 0) {
    GuardKey key{entry.event.subject, static_cast<std::uint8_t>(random())};
    if (random() % 3 == 0) key = guard_key(5);
    entry.event.guard.emplace(key, GuardValue{static_cast<std::uint16_t>(number()),
                                              static_cast<std::uint16_t>(number()),
                                              {static_cast<std::int64_t>(number() - number())}});
  }
  if (random() % 2 == 0) entry.root = base::sha256({base::view("root")});
  if (random() % 2 == 0) entry.guard_hash = base::sha256({base::view("guards")});
  return entry;
}

TEST(LedgerRow, every_entry_comes_back_as_it_was) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto entry = random_entry(random);
    const auto read = unpack_row(entry.seq, pack_row(entry));
    ASSERT_OK(read);
    ASSERT_EQ(base::to_hex(encode(*read)), base::to_hex(encode(entry)));
  }
}

TEST(LedgerRow, a_charge_takes_half_of_its_canonical_bytes) {
  auto entry = full_entry();
  entry.seq = 123'456'789;
  entry.event = event(kCharge, 1, 1'772'359'200'123);
  entry.event.reference = "verifications";
  entry.event.guard.emplace(guard_key(1), GuardValue{1, 0, entry.event.time});
  entry.root.reset();
  entry.guard_hash.reset();
  EXPECT_LE(pack_row(entry).size() * 2, encode(entry).size() + 10);
}

TEST(LedgerRow, a_row_of_before_is_read_at_its_own_place_only) {
  const auto entry = full_entry();
  const auto read = unpack_row(7, encode(entry));
  ASSERT_OK(read);
  EXPECT_EQ(encode(*read), encode(entry));
  EXPECT_ERRC(unpack_row(8, encode(entry)), Errc::corrupt);
}

TEST(LedgerRow, every_other_length_and_form_is_refused) {
  const auto row = pack_row(full_entry());
  for (std::size_t size = 0; size < row.size(); ++size)
    EXPECT_ERRC(unpack_row(7, base::ByteView(row).first(size)), Errc::corrupt);
  auto longer = row;
  longer.push_back(0);
  EXPECT_ERRC(unpack_row(7, longer), Errc::corrupt);
  auto other = row;
  other[0] = 3;
  EXPECT_ERRC(unpack_row(7, other), Errc::corrupt);
  other = row;
  other[1] |= 0x40;
  EXPECT_ERRC(unpack_row(7, other), Errc::corrupt);
}

RecordSealer sealer(std::initializer_list<std::uint16_t> ids) {
  std::map<std::uint16_t, base::Secret> out;
  for (const auto id : ids) {
    base::Secret key(32);
    key.writable()[0] = static_cast<base::Byte>(id);
    out.emplace(id, std::move(key));
  }
  return RecordSealer(std::move(out));
}

TEST(RecordSealer, opens_what_it_sealed_and_what_an_older_key_sealed) {
  const auto old = sealer({1}).seal(record_key(1), base::view("secret"));
  const auto both = sealer({1, 2});
  EXPECT_EQ(both.open(record_key(1), old)->expose_text(), "secret");
  const auto renewed = both.seal(record_key(1), base::view("secret"));
  EXPECT_EQ(base::read_be<std::uint16_t>(base::ByteView(renewed).subspan(1)), 2);
  EXPECT_ERRC(sealer({1}).open(record_key(1), renewed), Errc::corrupt);
}

TEST(RecordSealer, a_record_moved_to_another_key_or_table_does_not_open) {
  const auto with = sealer({1});
  const auto sealed = with.seal(record_key(1), base::view("secret"));
  EXPECT_ERRC(with.open(record_key(2), sealed), Errc::corrupt);
  EXPECT_ERRC(with.open(record_key(1, 2), sealed), Errc::corrupt);
}

TEST(RecordSealer, every_changed_byte_and_every_shorter_length_is_refused) {
  const auto with = sealer({1});
  const auto sealed = with.seal(record_key(1), base::view("secret"));
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    auto changed = sealed;
    changed[at] ^= 1;
    EXPECT_ERRC(with.open(record_key(1), changed), Errc::corrupt);
    EXPECT_ERRC(with.open(record_key(1), base::ByteView(sealed).first(at)), Errc::corrupt);
  }
}

}  // namespace
}  // namespace sigillo::sealed_store::testing
