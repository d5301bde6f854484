// Runs a program: does its steps one after the other, or on a device with a stream records them once and replays them.
#include "program.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace weft {

void Program::set(const Port& port, void* address) {
  for (int slot : port.slots) address_[size_t(slot)] = address;
}

/** Does the steps in order, and then the assignments of state. */
void Program::walk(Fault* fault, Profile* profile, const std::function<void()>* after_step) {
  Frame frame{address_.data(), device_.stream(), fault};
  for (size_t i = 0; i < steps_.size(); i++) {
    const BoundStep& bound = steps_[i];
    // on other devices the kernel looks at the fault itself
    if (bound.commit && device_.is_host() && fault->raised()) continue;
    frame.call = current_call_ = bound.call;
    if (profile == nullptr) {
      bound.step(frame);
      if (after_step != nullptr) (*after_step)();
      if (device_.stepwise()) device_.settle();
      continue;
    }
    auto& entry = profile->entries[costs_[i].op];
    entry.ms += device_.time([&] { bound.step(frame); });
    entry.count++;
    entry.flops += costs_[i].flops;
    entry.bytes += costs_[i].bytes;
  }
  current_call_ = -1;
  if (writes_.empty()) return;
  commits_.clear();
  for (const Write& write : writes_) commits_.push_back({write.to, address_[size_t(write.slot)], write.bytes});
  device_.copy(commits_, device_.is_host() || raises_ ? fault : nullptr);
}

void Program::run(Run& run) {
  if (!shared()) return enqueue(run);
  device_.begin_shared();
  try {
    enqueue(run);
  } catch (...) {
    device_.end_shared();
    throw;
  }
}

void Program::enqueue(Run& run) {
  char* const arena = own_arena_ ? own_arena_->data() : run.arena;
  if (arena_ != arena) {
    for (const auto& [slot, offset] : arena_slots_) address_[size_t(slot)] = arena + offset;
    arena_ = arena;
  }
  if (device_.is_host()) {
    for (size_t i = 0; i < inputs_.size(); i++) set(inputs_[i], run.inputs[i]);
    for (size_t i = 0; i < outputs_.size(); i++) set(outputs_[i], run.outputs[i]);
    walk(&run.fault, run.profile, run.after_step);
    return;
  }
  Fault* fault = reinterpret_cast<Fault*>(own_->data());
  if (!prepared_) {
    device_.clear_fault(fault);
    if (!constants_.empty()) device_.upload(own_->data() + constants_at_, constants_data(), constants_.size() - alignment);
    prepared_ = true;
  }
  std::vector<void*> fixed{arena};  // the addresses that recorded work depends on
  taken_in_.clear(), given_out_.clear();
  for (size_t i = 0; i < inputs_.size(); i++) {
    const Port& port = inputs_[i];
    char* place = port.staged == none ? static_cast<char*>(run.inputs[i]) : own_->data() + port.staged;
    if (port.staged == none) fixed.push_back(place);
    else taken_in_.push_back({place, run.inputs[i], port.bytes});
    set(port, place);
  }
  for (size_t i = 0; i < outputs_.size(); i++) {
    const Port& port = outputs_[i];
    char* place = port.staged == none ? static_cast<char*>(run.outputs[i]) : own_->data() + port.staged;
    if (port.staged == none) fixed.push_back(place);
    else given_out_.push_back({run.outputs[i], place, port.bytes});
    set(port, place);
  }
  if (!taken_in_.empty()) device_.copy(taken_in_, nullptr);
  if (shared()) walk_shared(run);
  else walk_or_replay(run, std::move(fixed));
  if (!given_out_.empty()) device_.copy(given_out_, nullptr);
  if (raises_ || !run.replies.empty()) {
    run.reply.resize(run.replies.empty() ? alignment : reply_bytes_);
    device_.download(run.reply.data(), own_->data(), run.reply.size());
  }
}

void Program::walk_whole(Profile* profile) {
  Fault* const fault = reinterpret_cast<Fault*>(own_->data());
  if (raises_) device_.clear_fault(fault);
  walk(fault, profile);
}

/** While the addresses stay the same, the first run is plain, the second is recorded, and later ones are replayed. */
void Program::walk_or_replay(const Run& run, std::vector<void*> addresses) {
  constexpr size_t most_recorded = 4;
  const auto known = std::find_if(recorded_.begin(), recorded_.end(), [&](const Recorded& entry) { return entry.addresses == addresses; });
  if (run.profile == nullptr && known != recorded_.end()) {
    device_.replay(*known->recording);
    std::rotate(known, known + 1, recorded_.end());  // the one that was not used for longest is in front
    return;
  }
  if (run.profile == nullptr && !single_ && !device_.stepwise() && last_plain_ == addresses) {
    if (auto recording = device_.record([&] { walk_whole(nullptr); }, false)) {
      if (recorded_.size() == most_recorded) recorded_.erase(recorded_.begin());
      recorded_.push_back({std::move(addresses), std::move(recording)});
      device_.replay(*recorded_.back().recording);
      return;
    }
  }
  last_plain_ = std::move(addresses);
  walk_whole(run.profile);
}

/**
 * The same for a program with collectives, where ranks that do it in different ways would wait for ever. What decides
 * is alike on all ranks: the number of the run, and whether the large inputs are those of the run before. Addresses are
 * not: an allocator may give a new tensor the place of an old one on one rank alone. What differs from rank to rank, as
 * a profile that is taken, is asked of all of them.
 */
void Program::walk_shared(const Run& run) {
  Places inputs;
  std::string unstaged;
  for (size_t i = 0; i < inputs_.size(); i++)
    if (inputs_[i].staged == none && !single_) {
      inputs.push_back(device_.place_of(run.inputs[i]));
      unstaged += ' ';
      unstaged += std::to_string(i);
    }
  const bool again = !single_ && last_inputs_ == inputs;
  if (!again) shared_recording_.reset();
  last_inputs_ = std::move(inputs);
  if (!shared_recording_) {
    if (!again || !device_.all_agree(run.profile == nullptr && !device_.stepwise(), unstaged)) return walk_whole(run.profile);
    shared_recording_ = device_.record([&] { walk_whole(nullptr); }, true);
    require(shared_recording_ != nullptr, "ERR_OUT_OF_MEMORY", "the device has no memory left for the recording of a step");
  }
  if (run.profile == nullptr) return device_.replay(*shared_recording_);
  // the other ranks replay it
  auto& entry = run.profile->entries["recorded step"];
  entry.ms += device_.time([&] { device_.replay(*shared_recording_); });
  entry.count++;
}

void Program::finish(Run& run) const {
  if (device_.is_host()) {
    for (const Reply& reply : run.replies) std::memcpy(reply.to, run.outputs[reply.output], outputs_[size_t(reply.output)].bytes);
    return;
  }
  if (raises_) {
    int32_t call;
    std::memcpy(&call, run.reply.data(), sizeof call);
    std::memcpy(&run.fault.value, run.reply.data() + offsetof(Fault, value), sizeof run.fault.value);
    run.fault.call.store(call);
  }
  for (const Reply& reply : run.replies)
    std::memcpy(reply.to, run.reply.data() + outputs_[size_t(reply.output)].staged, outputs_[size_t(reply.output)].bytes);
}

}  // namespace weft
