// The ledger's past, exported and let go: every part verifiable, alone and joined, and nothing that the
// product does depends on what went.
#include <fstream>

#include <appliance/export_check.hpp>
#include <appliance/ledger_export.hpp>

#include "erasure.hpp"
#include "receipts.hpp"
#include "segments.hpp"
#include "world.hpp"

namespace sigillo::appliance::testing {
namespace {

namespace fs = std::filesystem;

struct Pruning : ::testing::TestWithParam<Disk> {
  World world{GetParam()};
  fs::path folder = fs::temp_directory_path() / ("sigillo-segments-" + to_text(random_id()));
  std::unique_ptr<Segments> segments;

  void SetUp() override {
    fs::create_directory(folder);
    world.config.audit.segment_entries = 20;
    begin();
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  void begin() {
    world.start();
    segments = std::make_unique<Segments>(world.engine().context());
  }
  // As the appliance's own thread does it, each time that something happened.
  void live(int times) {
    for (int i = 0; i < times; ++i) {
      world.clock.advance(base::minutes(1));
      auto event = sealed_store::Event{world.clock.now(), static_cast<std::uint16_t>(EventKind::status_read)};
      event.channel = "branch:branch";
      ASSERT_TRUE(base::sync_wait(world.store().commit({.events = {std::move(event)}})));
      ASSERT_TRUE(segments->mark());
    }
  }
  std::optional<PrunedSegment> prune(const PruneLimits& limits) {
    const auto pruned = segments->prune(folder.string(), limits);
    EXPECT_TRUE(pruned) << (pruned ? "" : pruned.error().detail());
    return pruned ? *pruned : std::nullopt;
  }
  std::vector<std::string> prune_all(const PruneLimits& limits) {
    std::vector<std::string> files;
    while (const auto one = prune(limits)) files.push_back(one->file);
    return files;
  }
  ExportCheck::Keys keys() {
    ExportCheck::Keys out;
    const auto ring = world.engine().context().keys();
    for (const auto& key : ring->published) out.push_back(key.key);
    return out;
  }
  ExportReport check(const std::vector<std::string>& files) {
    ExportCheck check(keys());
    ExportReport report;
    for (const auto& file : files) {
      std::ifstream in(file, std::ios::binary);
      report = check.take(in);
      if (report.verdict != ExportVerdict::intact) break;
    }
    return report;
  }
  std::string slurp(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string spit(const std::string& name, const std::string& text) {
    const auto path = (folder / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
};

TEST_P(Pruning, SegmentsAreIntactAloneAndJoinedInOrderOneChain) {
  live(130);
  const auto files = prune_all({.keep = 40});
  ASSERT_GE(files.size(), 3U);
  std::uint64_t from = 1;
  for (const auto& file : files) {
    const auto report = check({file});
    EXPECT_EQ(report.verdict, ExportVerdict::intact) << report.detail;
    EXPECT_EQ(report.from, from) << "from where the one before has ended";
    EXPECT_EQ(report.checkpoint->segment_from, from);
    from = report.checkpoint->seq + 1;
  }
  const auto joined = check(files);
  EXPECT_EQ(joined.verdict, ExportVerdict::intact) << joined.detail;
  EXPECT_EQ(joined.from, 1U);
  EXPECT_EQ(world.store().ledger_base().seq, from - 1);
  EXPECT_EQ(world.store().ledger(0, 1)->front().seq, from);
  EXPECT_GE(world.store().head().seq - world.store().ledger_base().seq, 40U);
  EXPECT_EQ(world.count_events(EventKind::ledger_pruned, from - 1), files.size());
}

TEST_P(Pruning, AMissingASwappedAndAnAlteredSegmentAreToldApart) {
  live(130);
  const auto files = prune_all({.keep = 40});
  ASSERT_GE(files.size(), 3U);
  EXPECT_EQ(check({files[0], files[2]}).verdict, ExportVerdict::gap);
  EXPECT_EQ(check({files[1], files[0]}).verdict, ExportVerdict::altered);
  auto text = slurp(files[1]);
  text.replace(text.find("status-read"), 11, "status-xead");
  EXPECT_EQ(check({files[0], spit("edited.jsonl", text)}).verdict, ExportVerdict::altered);
  text = slurp(files[1]);
  const auto cut = check({files[0], spit("cut.jsonl", text.substr(0, text.rfind("{\"checkpoint\"")))});
  EXPECT_EQ(cut.verdict, ExportVerdict::cut_tail);
  ExportCheck strangers(ExportCheck::Keys{base::EcPrivateKey::generate().public_key()});
  std::ifstream in(files[1], std::ios::binary);
  EXPECT_EQ(strangers.take(in).verdict, ExportVerdict::unknown_key);
}

// (1) Cut what one did out of the beginning, (2) put a checkpoint that the auditor was once given in its
// place.
TEST_P(Pruning, AnOrdinaryCheckpointIsNoBeginning) {
  live(60);
  const auto note = world.call(Role::auditor, GetCheckpoint{});
  ASSERT_NE(note.as<Checkpoint>(), nullptr);
  const auto at = world.store().head().seq;
  live(5);
  std::string text = base_line(note.as<Checkpoint>()->note) + '\n';
  for (const auto& entry : world.entries(at)) text += entry_json(entry) + '\n';
  const auto end = world.call(Role::auditor, GetCheckpoint{});
  text += entry_json(world.entries(world.store().head().seq - 1).front()) + '\n';
  text += checkpoint_line(end.as<Checkpoint>()->note, key_set(*world.engine().context().keys())) + '\n';
  const auto report = check({spit("cut.jsonl", text)});
  EXPECT_EQ(report.verdict, ExportVerdict::altered);
  EXPECT_NE(report.detail.find("not the end of a segment"), std::string::npos) << report.detail;
}

TEST_P(Pruning, AgeAndNumberEachKeepWhatTheyName) {
  live(100);
  const auto cutoff = world.clock.now() - base::minutes(50);
  prune_all({.before = cutoff});
  const auto kept = world.entries();
  ASSERT_FALSE(kept.empty());
  EXPECT_GT(kept.front().seq, 1U);
  EXPECT_EQ(world.entries(world.store().ledger_base().seq).front().seq, kept.front().seq);
  const auto young =
      std::ranges::count_if(kept, [&](const auto& entry) { return entry.event.time >= cutoff; });
  EXPECT_GE(young, 50);
  EXPECT_FALSE(prune({.before = cutoff})) << "nothing more is old enough";
  EXPECT_FALSE(prune({.keep = 1'000'000}));
}

TEST_P(Pruning, AfterARestartItGoesOnWhereItWas) {
  live(50);
  prune_all({.keep = 10});
  const auto base = world.store().ledger_base();
  ASSERT_GT(base.seq, 0U);
  if (GetParam() == Disk::memory) return;  // which lives no longer than the process
  segments.reset();
  world.stop();
  begin();
  EXPECT_EQ(world.store().ledger_base().seq, base.seq);
  live(50);
  const auto more = prune_all({.keep = 10});
  ASSERT_FALSE(more.empty());
  EXPECT_EQ(check({more.front()}).from, base.seq + 1);
}

TEST_P(Pruning, CountsAreWhatTheyWereAndTheLimitHolds) {
  const auto citizen = world.active(1);
  world.fail(citizen, 9);
  const auto before = world.guard(citizen);
  live(60);
  ASSERT_FALSE(prune_all({.keep = 5}).empty());
  if (GetParam() == Disk::sqlcipher) world.restart();
  EXPECT_EQ(world.guard(citizen), before);
  world.clock.advance(base::hours(2));
  EXPECT_TRUE(world.verify(citizen, kWrong8).is(Rejection::Outcome::rejected));
  EXPECT_TRUE(world.verify(citizen, citizen.pin).is(Rejection::Outcome::locked));
}

TEST_P(Pruning, AnErasureFindsDecisionsWhoseEntriesAreGone) {
  auto citizen = world.active(1);
  const auto claim =
      world.call(Role::portal,
                 Authorize{citizen.subject, pin(citizen.pin), {"claim.submit", "r-1", std::string(64, 'a')}});
  ASSERT_NE(claim.as<Authorization>(), nullptr) << describe(claim);
  ASSERT_FALSE(world.convert_at_branch(citizen).outage);
  live(60);
  ASSERT_FALSE(prune_all({.keep = 5}).empty());
  for (const auto& entry : world.entries(world.store().ledger_base().seq))
    ASSERT_NE(entry.event.subject, world.index(citizen)) << "else this shows nothing";
  sealed_store::Event by_officers;
  by_officers.time = world.engine().context().now();
  by_officers.kind = static_cast<std::uint16_t>(EventKind::erased);
  const auto erased = erase(world.engine().context(), citizen.subject, by_officers);
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->authorizations, 1U);
  EXPECT_EQ(erased->conversions, 1U);
}

TEST_P(Pruning, WhenTheHsmDoesNotSignNothingGoes) {
  live(60);
  world.token.fail(hsm::FakeToken::Call::sign, 1, hsm::Errc::unavailable);
  EXPECT_FALSE(segments->prune(folder.string(), {.keep = 5}));
  EXPECT_EQ(world.store().ledger_base().seq, 0U);
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_TRUE(prune({.keep = 5}));
}

TEST_P(Pruning, AFolderThatIsNotThereLetsNothingGo) {
  live(60);
  EXPECT_FALSE(segments->prune((folder / "none").string(), {.keep = 5}));
  EXPECT_EQ(world.store().ledger_base().seq, 0U);
}

INSTANTIATE_TEST_SUITE_P(Disks, Pruning, ::testing::Values(Disk::memory, Disk::sqlcipher),
                         [](const auto& with) {
                           return with.param == Disk::memory ? "memory" : "sqlcipher";
                         });

}  // namespace
}  // namespace sigillo::appliance::testing
