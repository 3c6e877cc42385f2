// A witness that remembers, for what the store costs by itself. Thread rule: as HeadWitness.
#pragma once

#include <sealed_store/head_witness.hpp>

namespace sigillo::sealed_store {

class NoWitness final : public HeadWitness {
 public:
  base::Result<std::optional<Head>> recorded() override { return head_; }
  base::Result<void> take_over(const Head& accepted) override { return record(accepted); }
  base::Result<void> record(const Head& head) override {
    head_ = head;
    return base::ok();
  }

 private:
  std::optional<Head> head_;
};

}  // namespace sigillo::sealed_store
