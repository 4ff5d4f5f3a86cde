// Sends and receives of stages beside what the stages compute.
//
//   piece 0:  %a = recv                       %a = recv
//             %b = f(%a)                      %q = recv, started           piece 1 is on its way while piece 0 is
//             computed send %b                         %b = f(%a)
//   piece 1:  %c = recv                 ->    %p = send %b, started        … and piece 0 goes on while piece 1 is
//             %d = f(%c)                      %c = wait %q
//             send %d                         %d = f(%c)
//                                             wait %p
//                                             %r = send %d, started
//                                             wait %r
//
// One microbatch in each direction is what stages that take equally long need: a stage has two pieces of what it
// receives and two of what it sends. Between two stages pieces go in their order, and nobody waits for a receiver
// before it has started to receive the piece behind: the schedules of all stages run to their ends (comm/Schedule.h,
// checkProgress).
#include "passes/Dist/DistPasses.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_STARTTRANSFERS
#include "passes/Dist/DistPasses.h.inc"

namespace {

class TransferStarter {
 public:
  explicit TransferStarter(func::FuncOp function) : body_(function.getBody().front()), builder_(function) {}

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

  /// Behind the last receive of the piece in front; those of the first piece stay.
  void receiveEarly() {
    Operation *lastOfPiece = nullptr,
              *behind = nullptr; // of the piece that is looked at; where its receives are started
    for (RecvOp receive : ofPieces<RecvOp>()) {
      if (lastOfPiece && pieceOf(receive) != pieceOf(lastOfPiece)) behind = lastOfPiece;
      lastOfPiece = behind ? start(receive, behind) : receive.getOperation();
    }
  }
  /// Returns the wait, which has the receive's place.
  Operation* start(RecvOp receive, Operation*& behind) {
    ++numStarted_;
    auto type = cast<RankedTensorType>(receive.getY().getType());
    builder_.setInsertionPointAfter(behind);
    auto started = RecvOp::create(builder_, receive.getLoc(), PendingType::get(type.getContext(), type),
                                  receive.getFrom(), receive.getAxes());
    behind = started;
    builder_.setInsertionPoint(receive);
    auto wait = WaitOp::create(builder_, receive.getLoc(), type, started.getY());
    wait->setAttr(kPiece, receive->getAttr(kPiece));
    receive.getY().replaceAllUsesWith(wait.getY());
    receive.erase();
    return wait;
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
  int64_t numStarted_ = 0;
};

struct StartTransfers : impl::StartTransfersBase<StartTransfers> {
  using StartTransfersBase::StartTransfersBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (meshOf(function, kOwn) && !function.isExternal()) numStarted += TransferStarter(function).run();
  }
};

} // namespace
} // namespace jinx::passes
