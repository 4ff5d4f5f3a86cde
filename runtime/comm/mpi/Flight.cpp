#include "runtime/comm/mpi/Flight.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <numeric>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/comm/Reduce.h"
#include "runtime/comm/mpi/Control.h"

namespace jinx::comm {
namespace {

constexpr int kLetterTag = 1, kDataTag = 2, kPermuteTag = 3;

/// All that members' calls must have in common, in one text.
std::string commonText(const Call& call) {
  const bool ends = call.op == Op::kSend || call.op == Op::kRecv;
  std::string text = std::string(nameOf(ends ? Op::kSend : call.op)) + ' ' + std::string(name(call.dtype));
  if (call.op == Op::kAllReduce || call.op == Op::kReduceScatter) (text += ' ') += nameOf(call.reduction);
  if (call.op != Op::kAllToAllV) text += ' ' + std::to_string(call.count);
  if (call.op == Op::kBroadcast) text += " root " + std::to_string(call.root);
  if (call.op == Op::kPermute)
    for (int source : call.sources)
      text += ' ' + std::to_string(source);
  return text;
}

/// What a member says of its call when calls differ: what `identify` leaves out, too.
std::string wholeText(const Call& call) {
  std::string text = identify(call);
  if (call.op == Op::kBroadcast) text += " (root " + std::to_string(call.root) + ")";
  if (call.op == Op::kPermute) {
    text += " (sources";
    for (int source : call.sources)
      text += ' ' + std::to_string(source);
    text += ")";
  }
  return text;
}

} // namespace

Status checkMpiCall(const Call& call, int place, int n) {
  const Sizes sizes = sizesOf(call, place, n);
  if (std::max(sizes.in, sizes.out) <= INT_MAX) return Status::ok();
  return invalidArgument(identify(call) + ": has a buffer of " + std::to_string(std::max(sizes.in, sizes.out)) + " elements, and MPI counts up to " +
                         std::to_string(INT_MAX) + "; make it two calls");
}

Flight::Flight(const Call& call, const Route& route, const void* in, void* out, bool compares)
    : call_(call), route_(route), in_(static_cast<const std::byte*>(in)), out_(static_cast<std::byte*>(out)), compares_(compares) {
  const std::string text = commonText(call);
  own_ = {XXH3_64bits(text.data(), text.size()), call.sequence};
}

MPI_Datatype Flight::type() const {
  switch (bitWidth(call_.dtype)) {
  case 16:
    return MPI_UINT16_T;
  case 32:
    return MPI_UINT32_T;
  case 64:
    return MPI_UINT64_T;
  case 128:
    return MPI_C_DOUBLE_COMPLEX;
  default:
    return MPI_BYTE; // packed ones are counted in bytes
  }
}

Flight::Letter Flight::letter() const {
  Letter letter{own_};
  const std::string text = wholeText(call_);
  std::memcpy(letter.text.data(), text.data(), std::min(text.size(), kTextBytes - 1));
  return letter;
}

Status Flight::poke() {
  while (!done()) {
    int arrived = 1;
    if (!requests_.empty())
      JINX_TRY(mpiStatus(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &arrived, MPI_STATUSES_IGNORE), "MPI_Testall"), identify(call_));
    if (!arrived) return Status::ok();
    requests_.clear();
    JINX_TRY(next());
  }
  return Status::ok();
}

/// The present step has ended; the next one begins.
Status Flight::next() {
  switch (step_) {
  case Step::kStart:
    step_ = Step::kCompare;
    return compare();
  case Step::kCompare:
    return judge();
  case Step::kTexts:
    return judgeTexts();
  case Step::kMove:
    if (call_.op == Op::kAllReduce || call_.op == Op::kReduceScatter) return sum();
    [[fallthrough]];
  default:
    step_ = Step::kDone;
    return Status::ok();
  }
}

// ---- compare ----

Status Flight::compare() {
  const int letterBytes = static_cast<int>(sizeof(Letter));
  if (call_.op == Op::kSend) { // the receiver compares
    ownLetter_ = letter();
    return mpiStatus(MPI_Isend(&ownLetter_, letterBytes, MPI_BYTE, call_.root, kLetterTag, route_.comm, request()), "MPI_Isend");
  }
  if (call_.op == Op::kRecv) {
    letters_.resize(1);
    return mpiStatus(MPI_Irecv(letters_.data(), letterBytes, MPI_BYTE, call_.root, kLetterTag, route_.comm, request()), "MPI_Irecv");
  }
  if (!compares_) return Status::ok();
  headers_.resize(route_.ranks.size());
  JINX_TRY(mpiStatus(MPI_Iallgather(&own_, sizeof(Header), MPI_BYTE, headers_.data(), sizeof(Header), MPI_BYTE, route_.comm, request()), "MPI_Iallgather"));
  return Status::ok();
}

Status Flight::judge() {
  if (call_.op == Op::kRecv) JINX_TRY(judgeLetter());
  for (const Header& header : headers_)
    if (header.hash != own_.hash || header.hash != headers_[0].hash) { // everybody sees it
      step_ = Step::kTexts;
      ownLetter_ = letter();
      letters_.resize(route_.ranks.size());
      return mpiStatus(MPI_Iallgather(&ownLetter_, sizeof(Letter), MPI_BYTE, letters_.data(), sizeof(Letter), MPI_BYTE, route_.comm, request()),
                       "MPI_Iallgather");
    }
  if (call_.op == Op::kAllToAllV && compares_ && counts_.empty()) { // once more: what each member means to send this one
    counts_.resize(route_.ranks.size());
    return mpiStatus(MPI_Ialltoall(call_.sends.data(), 1, MPI_INT64_T, counts_.data(), 1, MPI_INT64_T, route_.comm, request()), "MPI_Ialltoall");
  }
  for (size_t from = 0; from < counts_.size(); ++from)
    if (counts_[from] != call_.receives[from])
      return invalidArgument("calls differ, sends and receives: rank " + std::to_string(route_.ranks[from]) + " sends rank " +
                             std::to_string(route_.ranks[static_cast<size_t>(route_.place)]) + ' ' + std::to_string(counts_[from]) + " elements in its #" +
                             std::to_string(headers_[from].sequence) + ", which receives " + std::to_string(call_.receives[from]) + " in its " +
                             identify(call_) + ", as call " + std::to_string(route_.number) + " of " + ranksText(route_.ranks));
  step_ = Step::kMove;
  return move();
}

/// The first member whose call is not the first's. Everybody says the same.
Status Flight::judgeTexts() const {
  size_t other = 1;
  while (other < letters_.size() && letters_[other].header.hash == letters_[0].header.hash)
    ++other;
  return invalidArgument("calls differ: rank " + std::to_string(route_.ranks[0]) + " makes " + letters_[0].text.data() + ", rank " +
                         std::to_string(route_.ranks[other]) + " makes " + letters_[other].text.data() + ", as call " + std::to_string(route_.number) + " of " +
                         ranksText(route_.ranks) + "; all members make the same calls in the same order");
}

Status Flight::judgeLetter() const {
  if (letters_[0].header.hash == own_.hash) return Status::ok();
  return invalidArgument("calls differ: rank " + std::to_string(route_.ranks[static_cast<size_t>(call_.root)]) + " makes " + letters_[0].text.data() +
                         ", rank " + std::to_string(route_.ranks[static_cast<size_t>(route_.place)]) + " makes " + wholeText(call_) + ", as call " +
                         std::to_string(route_.number) + " of the sends between them; both ends have one count and one type");
}

// ---- move ----

Status Flight::move() {
  const int count = units(call_.count);
  switch (call_.op) {
  case Op::kAllReduce:
  case Op::kReduceScatter:
    return moveParts();
  case Op::kAllGather:
    return mpiStatus(MPI_Iallgather(in_, count, type(), out_, count, type(), route_.comm, request()), "MPI_Iallgather");
  case Op::kAllToAll:
    return mpiStatus(MPI_Ialltoall(in_, count, type(), out_, count, type(), route_.comm, request()), "MPI_Ialltoall");
  case Op::kAllToAllV:
    return moveDifferent();
  case Op::kBroadcast:
    if (route_.place == call_.root && in_ != out_ && count > 0) std::memcpy(out_, in_, static_cast<size_t>(bytes(call_.count)));
    return mpiStatus(MPI_Ibcast(out_, count, type(), call_.root, route_.comm, request()), "MPI_Ibcast");
  case Op::kPermute:
    return permute();
  case Op::kSend:
    return mpiStatus(MPI_Isend(in_, count, type(), call_.root, kDataTag, route_.comm, request()), "MPI_Isend");
  case Op::kRecv:
    return mpiStatus(MPI_Irecv(out_, count, type(), call_.root, kDataTag, route_.comm, request()), "MPI_Irecv");
  }
  return Status::ok();
}

/// Everybody's part i goes to member i.
Status Flight::moveParts() {
  const bool whole = call_.op == Op::kAllReduce;
  auto partOfMember = [&](int i) { return whole ? partOf(call_.count, n(), i, call_.dtype) : Part{i * call_.count, call_.count}; };
  const Part own = partOfMember(route_.place);
  for (int i = 0; i < n(); ++i) {
    const Part part = partOfMember(i);
    counts32_.push_back(units(part.count));
    places32_.push_back(units(part.first));
    otherCounts32_.push_back(units(own.count));
    otherPlaces32_.push_back(i * units(own.count));
  }
  parts_.resize(static_cast<size_t>(n() * bytes(own.count)));
  return mpiStatus(MPI_Ialltoallv(in_, counts32_.data(), places32_.data(), type(), parts_.data(), otherCounts32_.data(), otherPlaces32_.data(), type(),
                                  route_.comm, request()),
                   "MPI_Ialltoallv");
}

Status Flight::sum() {
  const bool whole = call_.op == Op::kAllReduce;
  const Part part = whole ? partOf(call_.count, n(), route_.place, call_.dtype) : Part{0, call_.count};
  std::vector<const void*> inputs;
  for (int i = 0; i < n(); ++i)
    inputs.push_back(parts_.data() + i * bytes(part.count));
  reduce(call_.reduction, call_.dtype, inputs, out_ + bytes(part.first), part.count);
  step_ = whole ? Step::kGather : Step::kDone;
  if (!whole) return Status::ok();
  return mpiStatus(MPI_Iallgatherv(MPI_IN_PLACE, 0, type(), out_, counts32_.data(), places32_.data(), type(), route_.comm, request()), "MPI_Iallgatherv");
}

Status Flight::moveDifferent() {
  for (auto [counts, to, places] : {std::tuple{call_.sends, &counts32_, &places32_}, std::tuple{call_.receives, &otherCounts32_, &otherPlaces32_}}) {
    int at = 0;
    for (int64_t count : counts) {
      to->push_back(units(count));
      places->push_back(at);
      at += units(count);
    }
  }
  return mpiStatus(
      MPI_Ialltoallv(in_, counts32_.data(), places32_.data(), type(), out_, otherCounts32_.data(), otherPlaces32_.data(), type(), route_.comm, request()),
      "MPI_Ialltoallv");
}

Status Flight::permute() {
  const int source = call_.sources[static_cast<size_t>(route_.place)], count = units(call_.count);
  const auto size = static_cast<size_t>(bytes(call_.count));
  if (size > 0 && source == -1) std::memset(out_, 0, size);
  if (size > 0 && source == route_.place) std::memcpy(out_, in_, size);
  requests_.reserve(route_.ranks.size() + 1); // MPI keeps the addresses of requests while it makes them only
  if (source >= 0 && source != route_.place) JINX_TRY(mpiStatus(MPI_Irecv(out_, count, type(), source, kPermuteTag, route_.comm, request()), "MPI_Irecv"));
  for (int i = 0; i < n(); ++i)
    if (call_.sources[static_cast<size_t>(i)] == route_.place && i != route_.place)
      JINX_TRY(mpiStatus(MPI_Isend(in_, count, type(), i, kPermuteTag, route_.comm, request()), "MPI_Isend"));
  return Status::ok();
}

} // namespace jinx::comm
