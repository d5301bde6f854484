// Repeats exported programs (export.ts) on the emulated CUDA device, without node: what sanitizers and the race
// detector watch.
// Usage: runner [--shard i/n] [--in-place] [--only part] [--slow milliseconds] <folder>. Each failing program is one
// line; ends with "N programs, N failed, N skipped" (skipped: some op has no CUDA kernel). The environment
// (WEFT_EMULATED_*) chooses GPU and schedule.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

#include "replay.h"

namespace weft::replay {
namespace {

struct Options {
  size_t shard = 0, shards = 1;
  bool in_place = false;
  std::string only, folder;
  double slow = 1e9;
};

/** In memory that parent and children share: a child that dies leaves where it was. */
struct Progress {
  size_t at, failed, skipped;
};

std::vector<std::string> files_of(const Options& options) {
  std::vector<std::string> all, mine;
  for (const auto& entry : std::filesystem::directory_iterator(options.folder))
    if (entry.path().extension() == ".program" && entry.path().filename().string().find(options.only) != std::string::npos)
      all.push_back(entry.path().string());
  std::sort(all.begin(), all.end());
  for (size_t i = options.shard; i < all.size(); i += options.shards) mine.push_back(all[i]);
  return mine;
}

Target target() {
  cudaDeviceProp facts{};
  cuda::check(cudaGetDeviceProperties(&facts, 0), "cudaGetDeviceProperties");
  return {facts.major * 10 + facts.minor, facts.multiProcessorCount, facts.sharedMemPerBlockOptin};
}

/** Runs the programs from progress.at on; returns when all are done or the device is lost. */
void work(const Options& options, const std::vector<std::string>& files, Progress& progress) {
  cuda::check(cudaSetDevice(0), "cudaSetDevice");
  cudaStream_t stream{};
  cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  const Target device = target();
  for (; progress.at < files.size(); progress.at++) {
    const std::string name = std::filesystem::path(files[progress.at]).stem().string();
    const auto begin = std::chrono::steady_clock::now();
    bool lost = false;
    try {
      Replay replay(read_program(files[progress.at]), device, options.in_place);
      const std::string differs = replay.run(stream);
      if (!differs.empty()) progress.failed++, std::printf("FAIL %s: %s\n", name.c_str(), differs.c_str());
    } catch (const Error& error) {
      if (error.code == "ERR_NO_KERNEL") progress.skipped++, std::printf("skip %s: %s\n", name.c_str(), error.what());
      else progress.failed++, std::printf("FAIL %s: %s %s\n", name.c_str(), error.code.c_str(), error.what());
      lost = error.code == "ERR_CUDA";
    }
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    if (ms > options.slow) std::printf("slow %s: %.0f ms\n", name.c_str(), ms);
    std::fflush(stdout);
    if (lost) {  // as on a GPU, nothing works after a failed launch: the next process goes on
      progress.at++;
      return;
    }
  }
}

int main_of(const Options& options) {
  const std::vector<std::string> files = files_of(options);
  auto* progress = static_cast<Progress*>(mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  while (progress->at < files.size()) {
    const pid_t child = fork();
    if (child == 0) {
      work(options, files, *progress);
      std::fflush(stdout);
      std::_Exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    const std::string name = progress->at < files.size() ? std::filesystem::path(files[progress->at]).stem().string() : "the end";
    std::printf("FAIL %s: ended by %s %d\n", name.c_str(), WIFSIGNALED(status) ? "signal" : "exit code",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    std::fflush(stdout);
    progress->failed++;
    progress->at++;
  }
  std::printf("%zu programs, %zu failed, %zu skipped\n", files.size(), progress->failed, progress->skipped);
  return progress->failed > 0 || files.empty() ? 1 : 0;
}

Options options_of(int count, char** words) {
  Options options;
  for (int i = 1; i < count; i++) {
    const std::string word = words[i], next = i + 1 < count ? words[i + 1] : "";
    if (word == "--in-place") options.in_place = true;
    else if (word == "--shard") std::sscanf(next.c_str(), "%zu/%zu", &options.shard, &options.shards), i++;
    else if (word == "--only") options.only = next, i++;
    else if (word == "--slow") options.slow = std::stod(next), i++;
    else options.folder = word;
  }
  return options;
}

}  // namespace
}  // namespace weft::replay

int main(int count, char** words) {
  try {
    return weft::replay::main_of(weft::replay::options_of(count, words));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
