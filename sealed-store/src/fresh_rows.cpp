#include "fresh_rows.hpp"

#include <algorithm>

#include <base/log.hpp>

namespace sigillo::sealed_store {
namespace {

constexpr int kPrintBits = 40;

Bucket::Mark tag_of(const RecordKey& key) {
  const auto low = base::read_be<std::uint64_t>(base::ByteView(key.id).subspan(2));
  const auto high = base::read_be<std::uint64_t>(base::ByteView(key.id).subspan(8));
  const auto mixed = (low ^ (high * 0x9e3779b97f4a7c15u) ^ key.table) * 0xd6e8feb86659fd93u;
  return mixed >> kPrintBits;
}

Bucket::Mark mark_of(const RecordKey& key, const Lanes& row) {
  return tag_of(key) << kPrintBits | row.lane[0] >> (64 - kPrintBits);
}

}  // namespace

bool Bucket::knows(const RecordKey& key) const {
  const auto tag = [](Mark mark) { return mark >> kPrintBits; };
  return std::ranges::find(marks, tag_of(key), tag) != marks.end();
}

bool Bucket::holds(const RecordKey& key, const Lanes& row) const {
  return std::ranges::find(marks, mark_of(key, row)) != marks.end();
}

void Bucket::add(const RecordKey& key, const Lanes& row) {
  // A quarter more, not twice as much: the marks of all subjects are the store's largest use of memory.
  if (marks.size() == marks.capacity()) marks.reserve(marks.size() + marks.size() / 4 + 2);
  marks.push_back(mark_of(key, row));
  hash += row;
}

void Bucket::remove(const RecordKey& key, const Lanes& row) {
  const auto at = std::ranges::find(marks, mark_of(key, row));
  if (at == marks.end()) return;
  *at = marks.back();
  marks.pop_back();
  hash -= row;
}

bool FreshRows::install(std::uint16_t id, Bucket loaded) {
  auto& bucket = buckets_[id];
  if (bucket.hash != loaded.hash) return false;
  if (bucket.verified) return true;
  bucket.marks.assign(loaded.marks.begin(), loaded.marks.end());  // as many as there are, and none to spare
  bucket.verified = true;
  return true;
}

void FreshRows::alarm(std::uint16_t id) {
  if (std::exchange(buckets_[id].alarmed, true)) return;
  ++alarms_;
  base::log::error("store.stale", {{"bucket", id}});
}

void FreshRows::replace(std::uint16_t id, Bucket changed, const Lanes& total) {
  changed.alarmed = buckets_[id].alarmed;
  buckets_[id] = std::move(changed);
  total_ = total;
  dirty_.insert(id);
}

}  // namespace sigillo::sealed_store
