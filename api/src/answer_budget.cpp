#include "answer_budget.hpp"

namespace sigillo::api {
namespace {

// About what one has with the longest operator, reference and text that are common. What it came to counts
// as soon as it is known.
constexpr std::size_t kEntry = 1024, kDelivery = 4096, kClaims = 128 * 1024;  // of one conversion, 200

}  // namespace

std::size_t large_answer(const appliance::Request& request) {
  if (const auto* const ledger = std::get_if<appliance::ReadLedger>(&request)) return ledger->limit * kEntry;
  if (const auto* const leases = std::get_if<appliance::LeaseDeliveries>(&request))
    return leases->max * kDelivery;
  if (std::holds_alternative<appliance::GetConversion>(request) ||
      std::holds_alternative<appliance::SubmitEvidence>(request))
    return kClaims;
  return 0;
}

std::optional<AnswerBudget::Share> AnswerBudget::take(const std::string& channel, std::size_t bytes) {
  if (bytes == 0) return Share();
  const std::lock_guard lock(mutex_);
  const auto of = by_channel_.try_emplace(channel).first;
  const bool fits = of->second + bytes <= per_channel_ && total_ + bytes <= total_max_;
  if (!fits && of->second != 0) return std::nullopt;
  of->second += bytes;
  total_ += bytes;
  return Share(*this, of, bytes);
}

void AnswerBudget::Share::resize(std::size_t bytes) {
  if (budget_ == nullptr) return;
  const std::lock_guard lock(budget_->mutex_);
  of_->second = of_->second - bytes_ + bytes;
  budget_->total_ = budget_->total_ - bytes_ + bytes;
  bytes_ = bytes;
}

std::size_t AnswerBudget::held() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace sigillo::api
