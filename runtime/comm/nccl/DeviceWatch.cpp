#include "runtime/comm/nccl/DeviceWatch.h"

namespace jinx::comm {
namespace {

constexpr auto kPause = std::chrono::milliseconds(20); // between two looks
constexpr size_t kCalls = 1024;                        // known by name
constexpr size_t kManyFlights = 256; // from here on the host looks, too, so that events are not made without end

} // namespace

DeviceWatch::DeviceWatch(std::shared_ptr<Device> device, std::chrono::milliseconds timeout, Handlers handlers)
    : device_(std::move(device)), timeout_(timeout), handlers_(std::move(handlers)), watch_(kCalls) {}

DeviceWatch::~DeviceWatch() {
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  ending_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DeviceWatch::begins(const Call& last, std::span<const int> ranks, std::span<const int> groups, int64_t calls) {
  std::lock_guard lock(mutex_);
  if (flights_.size() >= kManyFlights) settle();
  if (flights_.empty()) since_ = Clock::now();
  Flight& flight = flights_.emplace_back();
  if (!spare_.empty()) {
    flight = std::move(spare_.back());
    spare_.pop_back();
  }
  flight.ticket = nextTicket_++;
  flight.calls = calls;
  flight.groups.assign(groups.begin(), groups.end());
  flight.isEnqueued = false;
  watch_.started(flight.ticket, last, ranks);
}

Status DeviceWatch::enqueued(Stream& stream) {
  std::lock_guard lock(mutex_);
  Flight& flight = flights_.back();
  if (!flight.end) {
    JINX_TRY_ASSIGN(flight.end, device_->createEvent());
  }
  JINX_TRY(flight.end->record(stream));
  flight.isEnqueued = true;
  watch_.waiting(flight.ticket);
  return Status::ok();
}

void DeviceWatch::dropped() {
  std::lock_guard lock(mutex_);
  spare_.push_back(std::move(flights_.back()));
  flights_.pop_back();
}

/// Forgets calls that have ended. A device that fails says so elsewhere.
void DeviceWatch::settle() {
  while (!flights_.empty() && flights_.front().isEnqueued) {
    const auto reached = flights_.front().end->isReached();
    if (!reached || !*reached) return;
    watch_.done(flights_.front().ticket);
    spare_.push_back(std::move(flights_.front()));
    flights_.pop_front();
    since_ = Clock::now();
  }
}

bool DeviceWatch::isLate(Late& late) {
  settle();
  if (flights_.empty() || Clock::now() < since_ + timeout_) return false;
  const Flight& first = flights_.front();
  late = {watch_.text(first.ticket), first.groups, std::chrono::duration<double>(Clock::now() - since_).count()};
  if (first.calls > 1) late.what = std::to_string(first.calls) + " replayed calls, the last " + late.what;
  return true;
}

void DeviceWatch::run() {
  std::unique_lock lock(mutex_);
  for (bool goesOn = true; !ends_; ending_.wait_for(lock, kPause)) {
    Late late;
    const bool isLate = this->isLate(late);
    if (!goesOn) continue;
    lock.unlock(); // handlers ask other ranks
    goesOn = handlers_.onLook() && (!isLate || handlers_.onLate(late));
    lock.lock();
  }
}

} // namespace jinx::comm
