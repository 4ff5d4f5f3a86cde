#include "runtime/comm/mpi/Control.h"

#include <algorithm>
#include <cstring>

namespace jinx::comm {
namespace {

constexpr size_t kLongestText = 3000; // short enough to be sent at once

struct Wire {
  int64_t kind, number;
  uint64_t order;
};

} // namespace

Status mpiStatus(int code, const char* call) {
  if (code == MPI_SUCCESS) return Status::ok();
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  return resourceError(std::string(call) + ": " + std::string(text, static_cast<size_t>(length)));
}

Status Control::open(MPI_Comm world) {
  JINX_TRY(mpiStatus(MPI_Comm_dup(world, &comm_), "MPI_Comm_dup"));
  return mpiStatus(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

void Control::send(int to, const Message& message) {
  const Wire wire{static_cast<int64_t>(message.kind), message.number, message.order};
  const size_t length = std::min(message.text.size(), kLongestText);
  Outgoing& out = outgoing_.emplace_back();
  out.bytes.resize(sizeof wire + length);
  std::memcpy(out.bytes.data(), &wire, sizeof wire);
  std::memcpy(out.bytes.data() + sizeof wire, message.text.data(), length);
  if (MPI_Isend(out.bytes.data(), static_cast<int>(out.bytes.size()), MPI_BYTE, to, 0, comm_, &out.request) != MPI_SUCCESS) outgoing_.pop_back(); // it is gone
}

std::optional<Message> Control::receive() {
  int found = 0, size = 0;
  MPI_Message handle;
  MPI_Status status;
  if (MPI_Improbe(MPI_ANY_SOURCE, 0, comm_, &found, &handle, &status) != MPI_SUCCESS || !found) return std::nullopt;
  MPI_Get_count(&status, MPI_BYTE, &size);
  std::vector<char> bytes(static_cast<size_t>(size));
  if (MPI_Mrecv(bytes.data(), size, MPI_BYTE, &handle, &status) != MPI_SUCCESS || bytes.size() < sizeof(Wire)) return std::nullopt;
  Wire wire;
  std::memcpy(&wire, bytes.data(), sizeof wire);
  return Message{static_cast<Message::Kind>(wire.kind), status.MPI_SOURCE, wire.order, wire.number, std::string(bytes.begin() + sizeof wire, bytes.end())};
}

bool Control::sent() {
  for (auto out = outgoing_.begin(); out != outgoing_.end();) {
    int done = 0;
    const int code = MPI_Test(&out->request, &done, MPI_STATUS_IGNORE);
    out = done || code != MPI_SUCCESS ? outgoing_.erase(out) : std::next(out);
  }
  return outgoing_.empty();
}

void Control::close() {
  if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
}

} // namespace jinx::comm
