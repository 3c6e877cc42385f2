// bench_micro: the parts of a verification by themselves, with Google Benchmark; its options hold
// (--benchmark_filter=row). It leaves by quick_exit, for SoftHSM2's destructors may crash.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  std::fflush(stdout);
  std::quick_exit(0);
}
