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

void DeviceWatch::begins(const Call& call, std::span<const int> ranks) {
  std::lock_guard lock(mutex_);
  if (flights_.size() >= kManyFlights) settle();
  if (flights_.empty()) since_ = Clock::now();
  Flight& flight = flights_.emplace_back();
  flight.ticket = nextTicket_++;
  flight.group = call.group;
  if (!spare_.empty()) {
    flight.end = std::move(spare_.back());
    spare_.pop_back();
  }
  watch_.started(flight.ticket, call, ranks);
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
  if (flights_.back().end) spare_.push_back(std::move(flights_.back().end));
  flights_.pop_back();
}

/// Forgets calls that have ended. A device that fails says so elsewhere.
void DeviceWatch::settle() {
  while (!flights_.empty() && flights_.front().isEnqueued) {
    const auto reached = flights_.front().end->isReached();
    if (!reached || !*reached) return;
    watch_.done(flights_.front().ticket);
    spare_.push_back(std::move(flights_.front().end));
    flights_.pop_front();
    since_ = Clock::now();
  }
}

bool DeviceWatch::isLate(Late& late) {
  settle();
  if (flights_.empty() || Clock::now() < since_ + timeout_) return false;
  late = {watch_.text(flights_.front().ticket), flights_.front().group,
          std::chrono::duration<double>(Clock::now() - since_).count()};
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
