// Measures a world (CollectiveTimes.h), fits the line t = L + S/b of each collective (runtime/comm/model/Fit.h), and
// says what that makes of ring and tree. With --ranks all are threads of this process; else each process is one, and
// the first one shows.
//
// Our own worlds add up with a ring's volume: each rank sums its n-th part of all, then all have all parts. So
// all_reduce, all_gather, reduce_scatter and broadcast are fitted by a ring's steps and volume, all_to_all and permute
// by direct messages'. NCCL chooses its algorithms by itself: there, α and β are those of a ring that takes as long.
#include "tools/common/BenchComm.h"

#include <algorithm>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "runtime/comm/DeviceCollectives.h"
#include "runtime/comm/RankThreads.h"
#include "runtime/comm/VirtualWorld.h"
#include "runtime/comm/model/Cheapest.h"
#include "runtime/comm/model/Fit.h"
#include "runtime/comm/model/NetworkFile.h"
#include "runtime/comm/model/Units.h"
#include "tools/common/CollectiveTimes.h"
#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Ranks.h"
#include "tools/common/Terminal.h"
#include "tools/common/TextTable.h"

namespace jinx::tools {
namespace {

using comm::Op;
namespace model = comm::model;

constexpr Op kOps[] = {Op::kAllReduce, Op::kAllGather, Op::kReduceScatter, Op::kAllToAll, Op::kBroadcast, Op::kPermute};
constexpr DType kTypes[] = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kI8, DType::kI32, DType::kI64};
constexpr const char* kVirtual = "virtual";
constexpr int kUsualRanks = 2;

struct BenchCommOptions {
  std::string device; ///< with nccl
  RankOptions ranks{.communicator = kVirtual};
  std::vector<std::string> collectives = {"all_reduce"};
  std::string dtype = "f32";
  int64_t from = 1 << 10, to = 64 << 20, factor = 4;
  CollectiveBenchOptions bench;
  std::string jsonFile, networkFile;
};

/// α and β, or why measurements do not say what they are.
struct Told {
  std::optional<model::Fit> fit;
  std::string why;
};

/// What one rank has measured.
struct Measured {
  std::vector<CollectiveTime> times;
  std::string carriers; ///< with NCCL: who carries what
  /// Of all_reduces that go over peers' memory, by bytes: what NCCL needs for them.
  std::map<int64_t, CollectiveTime> byNccl;
};

/// What one world says of itself.
struct Result {
  int ranks = 0;
  Measured measured;
  std::map<Op, Told> fits;
  Told together; ///< one fit of all collectives: the network
};

model::Algorithm algorithmOf(Op op) {
  return op == Op::kAllToAll || op == Op::kPermute ? model::Algorithm::kDirect : model::Algorithm::kRing;
}

model::Measurement measurementOf(const CollectiveTime& time, int ranks) {
  return {time.op, algorithmOf(time.op), ranks, static_cast<double>(time.bytes), time.median()};
}

Status readOptions(BenchCommOptions& options) {
  JINX_TRY(checkOutputFile(options.jsonFile));
  JINX_TRY(checkOutputFile(options.networkFile));
  if (options.from > options.to)
    return invalidArgument("got --from " + std::to_string(options.from) + " and --to " + std::to_string(options.to) +
                           " bytes, expected the smaller one first");
  if (options.ranks.communicator == "mpi" && options.ranks.ranks != 0)
    return invalidArgument("got --ranks and --communicator " + options.ranks.communicator +
                           ", whose ranks are the processes of mpirun or srun; leave --ranks out");
  if (!options.device.empty() && !options.ranks.isNccl())
    return invalidArgument("got --device " + options.device + " and --communicator " + options.ranks.communicator +
                           ", which moves the host's memory; leave it out, or take nccl");
  JINX_TRY(checkPeerBytes(options.ranks));
  for (const std::string& collective : options.collectives)
    for (Op op : kOps)
      if ((collective == "all" || collective == nameOf(op)) &&
          std::ranges::find(options.bench.ops, op) == options.bench.ops.end())
        options.bench.ops.push_back(op);
  options.bench.dtype = dtypeFromName(options.dtype);
  for (int64_t bytes = options.from; bytes <= options.to; bytes *= options.factor)
    options.bench.bytes.push_back(bytes);
  return Status::ok();
}

/// One rank: its device, where it has one, and what it measures there.
Expected<Measured> measureOnce(const BenchCommOptions& options, World world, std::shared_ptr<Device> device,
                               const std::function<void(double)>& progress) {
  JINX_TRY_ASSIGN(const World own, worldOnDevice(options.ranks, world, device));
  JINX_TRY_ASSIGN(const auto place, placeOf(*own, device));
  Measured measured;
  JINX_TRY_ASSIGN(measured.times, measureCollectives(*own, *place, options.bench, progress));
  if (!device) return measured;
  measured.carriers = own->onDevice()->carriersOf(0);
  for (const CollectiveTime& time : measured.times)
    if (own->onDevice()->isOverPeers({.op = time.op, .dtype = options.bench.dtype, .count = time.count}))
      measured.byNccl[time.bytes] = {};
  return measured;
}

/// All_reduces that went over peers' memory, by NCCL.
Status measureByNccl(BenchCommOptions options, World world, std::shared_ptr<Device> device, Measured& measured) {
  options.ranks.peerBytes = 0;
  options.bench.ops = {Op::kAllReduce};
  options.bench.bytes.clear();
  for (const auto& [bytes, time] : measured.byNccl)
    options.bench.bytes.push_back(bytes);
  JINX_TRY_ASSIGN(const Measured again, measureOnce(options, std::move(world), std::move(device), nullptr));
  for (const CollectiveTime& time : again.times)
    measured.byNccl[time.bytes] = time;
  return Status::ok();
}

Expected<Measured> measureRank(const BenchCommOptions& options, World world,
                               const std::function<void(double)>& progress) {
  std::shared_ptr<Device> device;
  if (options.ranks.isNccl()) {
    const DeviceChoice choice{.device = options.device.empty() ? "cuda" : options.device};
    JINX_TRY_ASSIGN(device, openDeviceOfRank(options.ranks, choice, world->rank()));
  }
  JINX_TRY_ASSIGN(Measured measured, measureOnce(options, world, device, world->rank() == 0 ? progress : nullptr));
  if (!measured.byNccl.empty()) JINX_TRY(measureByNccl(options, world, device, measured));
  return measured;
}

/// Every rank a thread; what the first one has measured, which is everybody's.
Expected<Measured> measureThreads(const BenchCommOptions& options, int ranks,
                                  const std::function<void(double)>& progress) {
  JINX_TRY_ASSIGN(auto world, comm::VirtualWorld::create(ranks, {.timeout = timeoutOf(options.ranks)}));
  Measured measured;
  auto measure = [&](int rank) {
    const World comm(std::move(*world->communicator(rank)));
    auto own = measureRank(options, comm, progress);
    if (!own) comm->abort(own.status());
    if (own && rank == 0) measured = *std::move(own);
    return own.status();
  };
  JINX_TRY(comm::onEveryRank(ranks, measure, [&](int rank, const Status& why) {
    (*world->communicator(rank))->abort(why);
  }));
  return measured;
}

Told tell(const std::vector<model::Measurement>& measurements) {
  const auto fit = model::fitTogether(measurements);
  if (!fit) return {std::nullopt, fit.status().message()};
  const Status told = model::checkTold(*fit, measurements);
  return told.isOk() ? Told{*fit, ""} : Told{std::nullopt, told.message()};
}

void fit(Result& result) {
  std::map<Op, std::vector<model::Measurement>> each;
  std::vector<model::Measurement> all;
  for (const CollectiveTime& time : result.measured.times) {
    all.push_back(measurementOf(time, result.ranks));
    each[time.op].push_back(all.back());
  }
  for (const auto& [op, measurements] : each)
    result.fits[op] = tell(measurements);
  result.together = tell(all);
}

std::string percentText(double logRatio) { return model::fixedText(100 * std::expm1(std::abs(logRatio)), 0) + " %"; }

std::string fitText(const model::Fit& fit) {
  return "fitted as " + std::string(fit.algorithm == model::Algorithm::kRing ? "a ring" : "direct messages") + ": α " +
         formatMilliseconds(fit.latency * 1e3) + " a step, β " + formatNumber(fit.bandwidth / 1e9, 3) +
         " GB/s a link; off by " + percentText(fit.typical) + " in the mean, by " + percentText(fit.worst) + " at " +
         model::bytesText(fit.worstMeasurement.bytes);
}

std::string microseconds(double seconds) { return model::fixedText(seconds * 1e6, 1); }
std::string gigabytes(double bytesPerSecond) { return model::fixedText(bytesPerSecond / 1e9, 3); }

/// What NCCL needs for what went over peers' memory; null for what did not.
const CollectiveTime* byNcclOf(const CollectiveTime& time, const Result& result) {
  const auto& all = result.measured.byNccl;
  const auto found = time.op == Op::kAllReduce ? all.find(time.bytes) : all.end();
  return found == all.end() ? nullptr : &found->second;
}

void print(const BenchCommOptions& options, const Result& result) {
  if (!result.measured.carriers.empty()) std::printf("%s\n", result.measured.carriers.c_str());
  for (Op op : options.bench.ops) {
    const Told& told = result.fits.at(op);
    const std::optional<model::Fit>& fit = told.fit;
    const bool hasBoth = op == Op::kAllReduce && !result.measured.byNccl.empty();
    std::printf("%s %s, %d ranks (%s), %d rounds, checked\n", paint(stdout, Style::kBold, nameOf(op)).c_str(),
                options.dtype.c_str(), result.ranks, options.ranks.communicator.c_str(), options.bench.rounds);
    std::vector<std::string> heads = {"bytes", "median us", "alg GB/s", "bus GB/s", "min us", "max us", "fit us"};
    if (hasBoth) heads.emplace_back("by NCCL us");
    TextTable table(heads);
    for (const CollectiveTime& time : result.measured.times) {
      if (time.op != op) continue;
      std::vector<std::string> row = {std::to_string(time.bytes),
                                      microseconds(time.median()),
                                      gigabytes(time.algorithmBandwidth()),
                                      gigabytes(time.busBandwidth(result.ranks)),
                                      microseconds(time.least()),
                                      microseconds(time.most()),
                                      fit ? microseconds(fit->predicted(measurementOf(time, result.ranks))) : "-"};
      const CollectiveTime* other = byNcclOf(time, result);
      if (hasBoth) row.push_back(other ? microseconds(other->median()) : "-");
      table.add(row);
    }
    std::printf("%s%s\n", table.str().c_str(), fit ? fitText(*fit).c_str() : ("no fit: " + told.why).c_str());
  }
}

/// By the fit: what an all_reduce of more ranks, joined by such links, had better be.
std::vector<int> ranksToCompare(int ranks) {
  std::vector<int> compared = {2, 4, 8, 16, 64};
  if (ranks > 2 && std::find(compared.begin(), compared.end(), ranks) == compared.end()) compared.push_back(ranks);
  std::sort(compared.begin(), compared.end());
  return compared;
}

void printRingOrTree(const Result& result) {
  if (!result.together.fit) return;
  const model::Network network = model::networkOf(*result.together.fit);
  std::printf("ring or tree, an all_reduce over such links:\n");
  TextTable table({"ranks", "which is faster"});
  for (int ranks : ranksToCompare(result.ranks))
    table.add({std::to_string(ranks), model::fasterText(network, Op::kAllReduce, {ranks, 1}, model::Algorithm::kRing,
                                                        model::Algorithm::kTree)});
  std::printf("%s", table.str().c_str());
}

nlohmann::ordered_json toJson(const CollectiveTime& time, const Result& result) {
  nlohmann::ordered_json json = {{"collective", nameOf(time.op)},
                                 {"bytes", time.bytes},
                                 {"count", time.count},
                                 {"calls", time.calls},
                                 {"median_us", time.median() * 1e6},
                                 {"min_us", time.least() * 1e6},
                                 {"max_us", time.most() * 1e6},
                                 {"algbw_gb_s", time.algorithmBandwidth() / 1e9},
                                 {"busbw_gb_s", time.busBandwidth(result.ranks) / 1e9}};
  if (const CollectiveTime* other = byNcclOf(time, result)) json["by_nccl_median_us"] = other->median() * 1e6;
  if (const auto& fit = result.fits.at(time.op).fit)
    json["fit_us"] = fit->predicted(measurementOf(time, result.ranks)) * 1e6;
  return json;
}

std::string jsonOf(const BenchCommOptions& options, const Result& result) {
  nlohmann::ordered_json json = {{"communicator", options.ranks.communicator},
                                 {"ranks", result.ranks},
                                 {"dtype", options.dtype},
                                 {"rounds", options.bench.rounds}};
  if (!result.measured.carriers.empty()) json["carriers"] = result.measured.carriers;
  json["times"] = nlohmann::ordered_json::array();
  for (const CollectiveTime& time : result.measured.times)
    json["times"].push_back(toJson(time, result));
  json["fits"] = nlohmann::ordered_json::array();
  for (Op op : options.bench.ops) {
    if (!result.fits.at(op).fit) continue;
    const model::Fit& fit = *result.fits.at(op).fit;
    json["fits"].push_back({{"collective", nameOf(fit.op)},
                            {"algorithm", nameOf(fit.algorithm)},
                            {"latency_us", fit.latency * 1e6},
                            {"bandwidth_gb_s", fit.bandwidth / 1e9},
                            {"typical_log_ratio", fit.typical},
                            {"worst_log_ratio", fit.worst}});
  }
  if (!result.together.fit) return json.dump(1) + "\n";
  const model::Network network = model::networkOf(*result.together.fit);
  json["ring_or_tree"] = nlohmann::ordered_json::array();
  for (int ranks : ranksToCompare(result.ranks))
    json["ring_or_tree"].push_back(
        {{"ranks", ranks},
         {"crossover_bytes",
          model::crossings(network, Op::kAllReduce, {ranks, 1}, model::Algorithm::kRing, model::Algorithm::kTree)}});
  return json.dump(1) + "\n";
}

Status writeNetwork(const BenchCommOptions& options, const Result& result) {
  model::Network network = model::networkOf(*result.together.fit);
  network.name = options.ranks.communicator + ", " + std::to_string(result.ranks) + " ranks, measured";
  JINX_TRY_ASSIGN(const std::string text, model::networkToJson(network, "host"));
  return writeText(options.networkFile, text);
}

Status show(const BenchCommOptions& options, Result result) {
  fit(result);
  if (options.jsonFile != "-" && options.networkFile != "-") {
    print(options, result);
    printRingOrTree(result);
  }
  if (!options.jsonFile.empty()) JINX_TRY(writeText(options.jsonFile, jsonOf(options, result)));
  if (options.networkFile.empty()) return Status::ok();
  if (!result.together.fit)
    return invalidArgument("there is no network to write to " + options.networkFile + ": " + result.together.why);
  return writeNetwork(options, result);
}

Status benchComm(BenchCommOptions& options) {
  JINX_TRY(readOptions(options));
  ProgressBar progress("measuring", options.jsonFile.empty());
  const auto tell = [&](double fraction) { progress.update(fraction, ""); };
  if (options.ranks.communicator == kVirtual && options.ranks.ranks == 0) options.ranks.ranks = kUsualRanks;
  if (options.ranks.ranks != 0) {
    JINX_TRY_ASSIGN(auto measured, measureThreads(options, options.ranks.ranks, tell));
    progress.clear();
    return show(options, {.ranks = options.ranks.ranks, .measured = std::move(measured), .fits = {}, .together = {}});
  }
  JINX_TRY_ASSIGN(const World world, openWorld(options.ranks));
  auto measured = measureRank(options, world, tell);
  if (!measured) world->abort(measured.status());
  JINX_TRY(measured.status());
  progress.clear();
  return world->rank() == 0
             ? show(options, {.ranks = world->size(), .measured = *std::move(measured), .fits = {}, .together = {}})
             : Status::ok();
}

template <typename Value, size_t n>
std::vector<std::string> namesOf(const Value (&values)[n]) {
  std::vector<std::string> names;
  for (const Value& value : values) {
    if constexpr (std::is_same_v<Value, Op>)
      names.emplace_back(nameOf(value));
    else
      names.emplace_back(name(value));
  }
  return names;
}

} // namespace

void addBenchComm(CLI::App& bench, Action& action) {
  auto options = std::make_shared<BenchCommOptions>();
  CLI::App* command = bench.add_subcommand("comm", "Time collectives, check them, and fit what they cost");
  std::vector<std::string> collectives = namesOf(kOps);
  collectives.emplace_back("all");
  command
      ->add_option("--communicator", options->ranks.communicator,
                   "What joins the ranks: virtual (default: threads of this process), mpi under mpirun or srun, nccl "
                   "(GPUs, of --ranks threads or under mpirun)")
      ->type_name("virtual|mpi|nccl")
      ->check(CLI::IsMember({"virtual", "mpi", "nccl"}));
  command
      ->add_option("--ranks", options->ranks.ranks, "Threads of this process: how many (default 2); under mpirun none")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  command->add_option("--device", options->device, "With nccl: cuda (default; each rank has its own), or emulated")
      ->type_name("cuda|emulated")
      ->check(CLI::IsMember({"cuda", "emulated"}));
  addWaitOptions(*command, options->ranks);
  command
      ->add_option("--collective", options->collectives,
                   "all_reduce (default), all_gather, reduce_scatter, all_to_all, broadcast, permute, or all; several "
                   "with commas")
      ->delimiter(',')
      ->type_name("NAME,…")
      ->check(CLI::IsMember(collectives));
  command->add_option("--dtype", options->dtype, "Of elements (default f32)")->check(CLI::IsMember(namesOf(kTypes)));
  for (const auto& [name, bytes, help] : {std::tuple{"--from", &options->from, "Bytes of the smallest (default 1KiB)"},
                                          {"--to", &options->to, "Bytes of the largest (default 64MiB)"}})
    command->add_option(name, *bytes, help)
        ->transform(CLI::AsSizeValue(true))
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
        ->type_name("BYTES");
  command->add_option("--factor", options->factor, "From one size to the next (default 4)")->check(CLI::Range(2, 1024));
  command->add_option("--rounds", options->bench.rounds, "Timed for each size (default 20)")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--warm-up", options->bench.warmUp, "Rounds before them (default 3)")
      ->check(CLI::Range(0, 1000000));
  command->add_option("--json", options->jsonFile, "Write the figures as JSON (- is standard output)")
      ->type_name("FILE");
  command
      ->add_option("--write-network", options->networkFile,
                   "Write the fit as a network that plan-shards reads (- is standard output)")
      ->type_name("FILE");
  command->callback([options, &action] { action = [options] { return report(benchComm(*options)); }; });
}

} // namespace jinx::tools
