// The order of the passes, and why.
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Passes.h"

using namespace mlir;

namespace jinx::passes {

void buildPipeline(PassManager &pm, const PipelineOptions &options) {
  auto enabled = [&](StringRef name) { return !llvm::is_contained(options.disabled, name.str()); };
  auto add = [&](std::unique_ptr<Pass> pass) {
    if (!enabled(pass->getArgument())) return;
    if (pass->getOpName() == func::FuncOp::getOperationName()) {
      pm.addNestedPass<func::FuncOp>(std::move(pass));
    } else {
      pm.addPass(std::move(pass));
    }
  };
  // Of a rank's program: what rearranges around collectives is a part of the graph from here on. Nothing below looks into a collective, or moves one across another.
  add(createLowerCollectives());
  // A mixture of experts was one operator so that ranks could share it; all that follows knows its products.
  add(createExpandExperts(ExpandExpertsOptions{options.cuda}));
  // Codes before numbers: what no kernel reads as codes is written out, and folds.
  add(createSplitBlocks());
  add(createGatherCodes());
  add(createFormDequantMatmul());
  if (options.byteDots && !options.cuda && options.activationBits < 32) add(createSplitActivations(SplitActivationsOptions{options.activationBits}));
  add(createFormScaledMatmul());
  add(createExpandQuantization());
  // Dequantized weights are not yet numbers of their own: a tensor core, or an instruction for bytes, multiplies the bytes they are.
  if (options.cuda || options.byteDots) add(createNarrowProducts(NarrowProductsOptions{/*byteDots=*/!options.cuda}));
  // Products before everything that works on products; what has a kernel of its own stays whole until groups are formed.
  const bool formsGradients = options.cuda && options.fusion && enabled("jinx-form-attention-grad");
  add(createExpandAttentionGrad(ExpandAttentionGradOptions{/*keep=*/formsGradients}));
  // Constants first: half of a real model's shape arithmetic and all of its weight preparation disappear here.
  add(createFoldConstants());
  add(createCSEPass());
  add(createSimplifyGraph());
  // Once weights are constants: their sums decide. Before the layout, which convolutions of unsigned bytes have, too.
  add(createByteProducts(ByteProductsOptions{options.byteDots && !options.cuda, /*tensorCores=*/options.cuda}));
  // Layout before packing: packing fixes the order of a convolution's weights.
  add(createChannelsLast(ChannelsLastOptions{/*halves=*/options.cuda}));
  add(createSimplifyGraph());
  // A CUDA block reads its image by affine copies without bounds.
  add(createPackContractions(PackContractionsOptions{/*padImages=*/options.cuda, options.byteDots && !options.cuda,
                                                     /*tensorCores=*/options.cuda, options.f32Products}));
  // Packed weights are constants again; nothing after this makes new ones.
  add(createFoldConstants());
  add(createSimplifyGraph());
  add(createCSEPass());
  // After the last algebra: nothing joins the two parts again.
  add(createSplitReductions());
  // The softmax and both products are in their last form; pairwise fusion would take them apart.
  if (options.fusion) add(createFormAttention(FormAttentionOptions{options.cuda}));
  if (formsGradients) add(createFormAttentionGrad());
  // What attention has not taken: small products' operands need no filling up.
  if (options.cuda) add(createFetchByWarps());
  // Nothing folds constants after this: it makes some that lie in pieces.
  if (options.cuda && options.fusion) add(createMergeProducts());
  if (options.cuda && options.fusion) add(createPairProducts());
  // Groups are final: nothing may move across them but whole kernels.
  add(createFuseOperators(FuseOperatorsOptions{options.fusion, options.cuda ? "cuda" : "cpu", options.vectorBytes}));
  if (options.schedule) add(createScheduleGroups(ScheduleGroupsOptions{options.vectorBytes, options.registers, options.cuda}, options.canEmit, options.tuning));
  if (options.schedule && (!options.cuda || options.fusion)) add(createPairLaunches(PairLaunchesOptions{options.cuda}));
  // Launches are where they will be: between a sum and the kernel that makes it nothing may come to stand.
  if (options.schedule && options.cuda && options.fusion) add(createFuseSums(options.canEmit));
}

}  // namespace jinx::passes
