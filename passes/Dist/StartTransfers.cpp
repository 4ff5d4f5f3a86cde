// Sends and receives of stages beside what the stages compute.
//
//   piece 0:  %a = recv                       %o = recv, started
//             %b = f(%a)                      %q = recv, started           piece 1 is on its way while piece 0 comes,
//             send %b                         %a = wait %o                 and is computed
//   piece 1:  %c = recv                 ->    %b = f(%a)
//             %d = f(%c)                      %p = send %b, started        … and piece 0 goes on while piece 1 is
//             send %d                         %c = wait %q
//                                             %d = f(%c)
//                                             wait %p
//                                             %r = send %d, started
//                                             wait %r
//
// In which order? Stage s computes piece i in slot i + s, and what it makes then goes on in that slot. So at its end of
// a transfer, too, a stage starts it in the sender's slot: while it computes piece i it receives piece i + 1 of the
// stage in front, and piece i + 2 of the one in front of that. Within a slot receives come by sender, then sends. So
// transfers have one order, by slot, sender, and place in the program, which all stages keep: nobody waits for each
// other even where calls that are started run one behind the other, as on a stream of NCCL.
//
// Buffers: two of what is sent, and of what comes from k stages in front k + 1.
#include <map>

#include "passes/Dist/DistPasses.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_STARTTRANSFERS
#include "passes/Dist/DistPasses.h.inc"

namespace {

class TransferStarter {
 public:
  TransferStarter(func::FuncOp function, int64_t stage)
      : body_(function.getBody().front()), builder_(function), stage_(stage) {}

  int64_t run() {
    receiveEarly();
    sendBeside();
    for (Operation& op : body_)
      op.removeAttr(kPiece);
    return numStarted_;
  }

 private:
  static int64_t pieceOf(Operation* op) {
    auto piece = op->getAttrOfType<IntegerAttr>(kPiece);
    return piece ? piece.getInt() : -1;
  }
  template <typename Op>
  SmallVector<Op> ofPieces() {
    SmallVector<Op> ops;
    for (Op op : body_.getOps<Op>())
      if (pieceOf(op) >= 0) ops.push_back(op);
    return ops;
  }

  struct Receive {
    int64_t slot = 0, from = 0;
    RecvOp start;
  };

  /// Each receive is started in its sender's slot, in front of all that this stage passes on or waits for with the
  /// piece that it computes then. Its wait has its place.
  void receiveEarly() {
    std::vector<Receive> receives;
    for (RecvOp receive : ofPieces<RecvOp>()) {
      const int64_t piece = pieceOf(receive), from = int64_t(receive.getFrom());
      receives.push_back({piece + from, from, start(receive)});
    }
    llvm::stable_sort(receives, [](const Receive& a, const Receive& b) {
      return std::pair(a.slot, a.from) < std::pair(b.slot, b.from);
    });
    std::map<int64_t, Operation*> first; // by piece
    for (Operation& op : body_)
      if (isa<SendOp, WaitOp>(op) && pieceOf(&op) >= 0) first.try_emplace(pieceOf(&op), &op);
    for (Receive& receive : receives)
      receive.start->moveBefore(first[std::max<int64_t>(0, receive.slot - stage_)]);
  }
  /// Returns the start; its wait is of the piece.
  RecvOp start(RecvOp receive) {
    ++numStarted_;
    auto type = cast<RankedTensorType>(receive.getY().getType());
    builder_.setInsertionPoint(receive);
    auto started = RecvOp::create(builder_, receive.getLoc(), PendingType::get(type.getContext(), type),
                                  receive.getFrom(), receive.getAxes());
    auto wait = WaitOp::create(builder_, receive.getLoc(), type, started.getY());
    wait->setAttr(kPiece, receive->getAttr(kPiece));
    receive.getY().replaceAllUsesWith(wait.getY());
    receive.erase();
    return started;
  }

  /// Waited for in front of the next piece's sends; those of the last piece behind everything but the results.
  void sendBeside() {
    SmallVector<SendOp> open;
    Operation* last = nullptr;
    for (SendOp send : ofPieces<SendOp>()) {
      if (!open.empty() && pieceOf(open.back()) != pieceOf(send)) waitFor(open, send);
      ++numStarted_;
      builder_.setInsertionPoint(send);
      auto started = SendOp::create(builder_, send.getLoc(), PendingType::get(send.getContext(), send.getX().getType()),
                                    send.getX(), send.getTo(), send.getAxes());
      started->setAttr(kPiece, send->getAttr(kPiece));
      send.erase();
      open.push_back(started);
      last = started;
    }
    if (!last) return;
    while (!isa<BroadcastOp>(last) && !last->hasTrait<OpTrait::IsTerminator>())
      last = last->getNextNode();
    waitFor(open, last);
  }
  void waitFor(SmallVector<SendOp>& open, Operation* before) {
    builder_.setInsertionPoint(before);
    for (SendOp send : open)
      WaitOp::create(builder_, send.getLoc(), send.getX().getType(), send.getPending());
    open.clear();
  }

  Block& body_;
  OpBuilder builder_;
  int64_t stage_;
  int64_t numStarted_ = 0;
};

struct StartTransfers : impl::StartTransfersBase<StartTransfers> {
  using StartTransfersBase::StartTransfersBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!meshOf(function, kOwn) || function.isExternal()) return;
    FailureOr<int64_t> stage = stageOf(function);
    if (failed(stage)) return signalPassFailure();
    numStarted += TransferStarter(function, *stage).run();
  }

  /// The coordinate on the axis of its receives; 0 where there are none.
  static FailureOr<int64_t> stageOf(func::FuncOp function) {
    auto receives = function.getBody().front().getOps<RecvOp>();
    if (receives.empty()) return 0;
    RecvOp receive = *receives.begin();
    auto axis = cast<StringAttr>(receive.getAxes()[0]);
    auto coordinates = function->getAttrOfType<DictionaryAttr>(kCoordinates);
    if (auto stage = coordinates ? coordinates.getAs<IntegerAttr>(axis) : IntegerAttr()) return stage.getInt();
    return function.emitError("receives over ")
           << axis << " and does not say which stage it is, expected dist.coordinates with " << axis
           << ", as jinx-stage-program writes it";
  }
};

} // namespace
} // namespace jinx::passes
