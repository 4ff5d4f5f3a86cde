// Every pass of Jinx: one definition here, one file of the same name, one lit test of the same name.
#ifndef JINX_PASSES_TD
#define JINX_PASSES_TD

include "mlir/Pass/PassBase.td"

def SimplifyGraph : Pass<"jinx-simplify", "::mlir::func::FuncOp"> {
  let summary = "Cheap algebra: powers, reciprocals, identities, reshapes and casts that cancel";
  let description = [{
    `pow(x, 2)` becomes a product, `pow(x, 0.5)` a square root, `x / c` a product when 1/c is exact; adding 0 and multiplying by 1
    vanish, and what integers are multiplied by 0; reshapes move below elementwise operators so that the chains around them can fuse; the largest of `tanh(x)` is the `tanh` of
    the largest x; `x / 2 * (tanh(p) + 1)` is `x * sigmoid(2p)`. Leaves the meaning unchanged to the last bit except for `pow` and that sigmoid, which are the more accurate ones.
  }];
  let statistics = [Statistic<"numRewrites", "num-rewrites", "Operators rewritten">];
}

def FoldConstants : Pass<"jinx-fold-constants", "::mlir::func::FuncOp"> {
  let summary = "Compute operators whose operands are all constants";
  let description = [{
    Runs the reference implementation of the operator (runtime/hostops). An operator whose result would be much larger than its
    operands (over `max-growth` bytes) stays, so that plans do not swell; unless no kernel could read its operands, as 4-bit integers.
  }];
  let options = [Option<"maxGrowth", "max-growth", "int64_t", "4194304", "Largest growth in bytes that folding may cause">,
                 Option<"keepCodes", "keep-codes", "bool", "false", "Leave jinx.dequantize, whose codes a kernel may read">];
  let statistics = [Statistic<"numFolded", "num-folded", "Operators folded">,
                    Statistic<"numKept", "num-kept", "Operators left because their result is too large or cannot be computed here">];
  let dependentDialects = ["::jinx::graph::GraphDialect"];
}

def ChannelsLast : Pass<"jinx-channels-last", "::mlir::func::FuncOp"> {
  let summary = "Bring convolutions and what surrounds them to channels-last layout";
  let description = [{
    A convolution's input is transposed to [n, h, w, c] and its output back; then the transposes at outputs are moved down through
    elementwise operators, concatenations, pools, reductions, resizes and pads until they meet the next convolution's and cancel.
    What remains are transposes where a model truly leaves image space.
  }];
  let options = [Option<"halves", "halves", "bool", "false", "Convolutions of 16-bit floats, too (CUDA)">];
  let statistics = [Statistic<"numConvs", "num-convs", "Convolutions brought to channels-last">,
                    Statistic<"numMoved", "num-moved", "Transposes moved down through an operator">];
}

def SplitBlocks : Pass<"jinx-split-blocks", "::mlir::func::FuncOp"> {
  let summary = "Take GGUF's blocks apart into codes, scales and offsets";
  let description = [{
    jinx.decode_blocks of a constant becomes jinx.dequantize of constants: the codes as they are, scales and offsets exactly as the block has
    them. Leaves IR without jinx.decode_blocks; blocks that are no constant are an error.
  }];
  let statistics = [Statistic<"numSplit", "num-split", "Matrices taken apart">];
}

def GatherCodes : Pass<"jinx-gather-codes", "::mlir::func::FuncOp"> {
  let summary = "Gather rows of codes, and dequantize those, instead of a whole table";
  let description = [{
    gather(dequantize(codes, scales), rows) becomes dequantize(gather(codes, rows), gather(scales, rows)), where codes are constant: an embedding stays
    bytes. Says why a table does not.
  }];
  let statistics = [Statistic<"numMoved", "num-moved", "Tables that stay codes">, Statistic<"numKept", "num-kept", "Tables that are dequantized">];
}

def QuantizeModel : Pass<"jinx-quantize", "::mlir::func::FuncOp"> {
  let summary = "Give products and convolutions with constant weights codes of few bits";
  let description = [{
    The weights of each become a dequantized constant, and with int8, int8-dynamic, fp8 and fp8-block its input is quantized and dequantized, once for all
    that read it (passes/Quant/QuantizeModel.h). For int8 and fp8 an operator says what its input's values are: `jinx.range = array<f64: low, high>`.
    `jinx quantize` finds ranges by itself and is not in need of this pass; it is for looking closely. What stays float says why.
  }];
  let options = [Option<"scheme", "scheme", "std::string", "\"int8-weights\"", "int8, int8-dynamic, int4, int8-weights, nf4, fp8 or fp8-block">,
                 Option<"group", "group", "int64_t", "0", "Neighbours along k that share a scale; 0: as the scheme usually has">,
                 Option<"asymmetric", "asymmetric", "bool", "false", "int4 with an offset for each group">,
                 Option<"minWeights", "min-weights", "int64_t", "256", "Layers with fewer weights stay float">,
                 ListOption<"keep", "keep", "std::string", "Layers that stay float, by patterns of their names">];
  let statistics = [Statistic<"numQuantized", "num-quantized", "Layers quantized">, Statistic<"numKept", "num-kept", "Layers that stay float">];
  let dependentDialects = ["::jinx::graph::GraphDialect"];
}

def FormDequantMatmul : Pass<"jinx-form-dequant-matmul", "::mlir::func::FuncOp"> {
  let summary = "Keep constant weights of products as the codes they are stored in";
  let description = [{
    matmul(a, dequantize(codes, scales)) becomes `jinx.dequant_matmul`, whose kernel reads 4- or 8-bit codes and the scale of each group along k,
    where codes and scales are constants. For CUDA activations are f16 or bf16, and up to 64 rows where their number is known. A zero point that all columns share moves the levels of 4-bit codes; others become offsets.
    Products of two dequantized operands are left to jinx-narrow-products; a product that stays says why.
  }];
  let statistics = [Statistic<"numFormed", "num-formed", "Products that read codes">, Statistic<"numKept", "num-kept", "Products whose weights are dequantized before">];
}

def SplitActivations : Pass<"jinx-split-activations", "::mlir::func::FuncOp"> {
  let summary = "Multiply codes of weights with activations as digits of 8 bits";
  let description = [{
    For a CPU with an instruction that adds four products of bytes. The activations of a `jinx.dequant_matmul` become whole numbers of `bits` bits with a unit
    for each group along k (`jinx.split_digits`), and products are of codes and digits: exact within a group. 24 bits are as exact as f32; 8 bits
    are int8 activations, a third of the work. 8-bit codes are laid out again. Codes with a table of levels have 16 bits themselves, and so have activations beside
    them; with `bits` 24 they stay products of floats.
  }];
  let options = [Option<"bits", "bits", "int64_t", "0", "Of an activation: 8, 16 or 24; 0: 24, beside tables of levels 16">];
  let statistics = [Statistic<"numSplit", "num-split", "Products of digits">, Statistic<"numKept", "num-kept", "Products whose activations stay floats">];
  let dependentDialects = ["::jinx::graph::GraphDialect"];
}

def FormScaledMatmul : Pass<"jinx-form-scaled-matmul", "::mlir::func::FuncOp"> {
  let summary = "Multiply 8-bit floats whose scales vary along k as they are, and scale sums of blocks";
  let description = [{
    matmul(dequantize(a, s), dequantize(w, t)) becomes `jinx.scaled_matmul`, where a and w are 8-bit floats and s, t or both are of blocks of 128 along
    k. Rows of w may share scales: those of 128 x 128 blocks, which are repeated (jinx.reshape, jinx.broadcast, jinx.reshape), are read as they
    are. For GPUs with a copy engine; elsewhere operands are dequantized before, and a remark says why.
    Scales that stand still along k are left to jinx-narrow-products.
  }];
  let statistics = [Statistic<"numFormed", "num-formed", "Products of 8-bit floats with scales of blocks">, Statistic<"numKept", "num-kept", "Products whose operands are dequantized before">];
}

def ExpandQuantization : Pass<"jinx-expand-quantization", "::mlir::func::FuncOp"> {
  let summary = "Write quantize and dequantize as elementwise operators";
  let description = [{
    The one place that says to kernels how numbers are quantized, to the bit (docs/spec/quantization.md). Leaves IR without jinx.quantize and
    jinx.dequantize.
  }];
  let statistics = [Statistic<"numExpanded", "num-expanded", "Operators written out">];
}

def NarrowProducts : Pass<"jinx-narrow-products", "::mlir::func::FuncOp"> {
  let summary = "Multiply dequantized operands as the narrow elements they were, and scale the sums";
  let description = [{
    matmul(cast(a) * sa, cast(b) * sb) becomes matmul(a, b) * sa * sb, where a and b are bytes, or 8-bit floats, and scales do not vary along
    k: one number, or one for each row of a or column of b. Bytes may have zero points, which are taken out by sums of the other operand.
    Sums of bytes are exact, so results differ by rounding, to the better. Runs before constants are folded: weights are bytes still.
    A product of bytes longer than i32 surely holds stays.
    With `byte-dots` only bytes beside constant weights are multiplied so, left ones unsigned and right ones signed, but convolutions, too.
  }];
  let options = [Option<"byteDots", "byte-dots", "bool", "false", "A CPU whose instruction adds four products of an unsigned and a signed byte">];
  let statistics = [Statistic<"numNarrowed", "num-narrowed", "Products of narrow elements">,
                    Statistic<"numKept", "num-kept", "Products with one dequantized operand, or another reason to stay">];
}

def ByteProducts : Pass<"jinx-byte-products", "::mlir::func::FuncOp"> {
  let summary = "Bring products and convolutions of bytes to a form that the processor has: unsigned times signed bytes, f32, or i32";
  let description = [{
    With `byte-dots`, a product of any bytes with constant ones, and a convolution, becomes one of unsigned with signed bytes: 128 is added to
    signed ones on the left and taken from unsigned ones on the right, and out of the result by sums over k. Otherwise it becomes one of f32
    where no sum can pass 2^24, or several, of digits of constant weights; or one of i32. With `tensor-cores` products stay as they are,
    which those multiply, and convolutions become f32. Exact in all cases, up to sums that wrap as i32 does. Constants are folded already.
  }];
  let options = [Option<"byteDots", "byte-dots", "bool", "false", "An instruction adds four products of an unsigned and a signed byte">,
                 Option<"tensorCores", "tensor-cores", "bool", "false", "Tensor cores multiply bytes (CUDA)">];
  let statistics = [Statistic<"numBytes", "num-bytes", "Products and convolutions of bytes brought to such a form">,
                    Statistic<"numKept", "num-kept", "Products and convolutions left as they are">];
}

def PackContractions : Pass<"jinx-pack", "::mlir::func::FuncOp"> {
  let summary = "Lay out right operands of products in panels, and turn convolutions into packed or depthwise form";
  let description = [{
    `matmul(a, b)` becomes `packed_matmul(a, pack(b))`; a channels-last 1x1 convolution without stride or padding becomes a product
    over all pixels; other channels-last convolutions become `packed_conv` or `depthwise_conv`. Packing of constants folds away.
    Products of ui8 with constant i8 weights, and convolutions, have weights interleaved where the processor adds four such products at once
    (`byte-dots`); what else is done about bytes is jinx-byte-products'. With `tensor-cores` products of 16-bit floats, of 8-bit floats and of bytes, and convolutions of 16-bit floats,
    are `by_rows`; those of f32 too where `f32-products` is `split` (three products of TF32 each, about as exact as f32) or `tf32` (one), and
    the shape is worth it. Where the module's GPU has no copy engine, images are padded before, products of 8-bit floats are f32, and those of
    f32 stay scalar.
  }];
  let options = [Option<"padImages", "pad-images", "bool", "false", "Pad a convolution's image before, instead of in its kernel (CUDA)">,
                 Option<"byteDots", "byte-dots", "bool", "false", "An instruction adds four products of an unsigned and a signed byte: weights of bytes are interleaved">,
                 Option<"tensorCores", "tensor-cores", "bool", "false", "Products and convolutions of narrow elements read both operands by rows (CUDA)">,
                 Option<"f32Products", "f32-products", "std::string", "\"scalar\"", "How tensor cores multiply f32: split, tf32, or not at all (scalar)">];
  let statistics = [Statistic<"numMatmuls", "num-matmuls", "Products packed">, Statistic<"numConvs", "num-convs", "Convolutions packed">,
                    Statistic<"numDepthwise", "num-depthwise", "Depthwise convolutions">,
                    Statistic<"numKept", "num-kept", "Products and convolutions left as they are">];
}

def SplitReductions : Pass<"jinx-split-reductions", "::mlir::func::FuncOp"> {
  let summary = "Cut reductions of nearly everything in two, so that threads can share the first";
  let description = [{
    A reduction with at most `max-results` results over two or more dimensions gives work to that many threads only. It becomes a
    reduction over the inner dimensions, whose outer positions are independent, and a small one of those results. max and min are
    unchanged; sums are added in another order, the same on any number of threads.
  }];
  let options = [Option<"maxResults", "max-results", "int64_t", "8", "Reductions with more results stay as they are">,
                 Option<"minElements", "min-elements", "int64_t", "65536", "Reductions of fewer elements stay as they are">];
  let statistics = [Statistic<"numSplit", "num-split", "Reductions cut in two">];
}

def FormAttention : Pass<"jinx-form-attention", "::mlir::func::FuncOp"> {
  let summary = "Gather the operators of softmax(q·kᵀ)·v into one group to start fusion from";
  let description = [{
    Two packed products with a softmax over the keys between them, and any elementwise operators (scale, bias, mask, softcap) between the
    first and the softmax, become a `jinx.group "attention"` (codegen/schedules/AttentionForm.h). `jinx-fuse` takes it as a group to begin
    with: keeps it where the cost model says that one kernel is faster, and joins to it what makes the queries and what follows. Weights of
    whole rows that a `select` sets to 0 are set to 0 in the result instead.
    Not formed where something else reads the scores or the weights: they would have to be written anyway.
    With `cuda`, products by rows of halves: the group also holds the transposes, reshapes and broadcasts between tensors in memory and the
    products, which its kernel reads and writes through strides (codegen/schedules/cuda/GroupAttention.h), and is final.
  }];
  let options = [Option<"cuda", "cuda", "bool", "false", "Form what the CUDA schedule takes">];
  let statistics = [Statistic<"numFormed", "num-formed", "Attentions gathered">,
                    Statistic<"numKept", "num-kept", "Products of a softmax that are no attention">];
}

def FetchByWarps : Pass<"jinx-fetch-by-warps", "::mlir::func::FuncOp"> {
  let summary = "Read the rows of small products as they lie, instead of filling them up";
  let description = [{
    A copy engine reads rows that are multiples of 16 bytes, and warps read such rows fastest, so jinx-pack fills up others:
    packed_matmul(pad(a), b). Where that pad costs more than it saves the product reads `a` itself, and its right operand, too, where that is
    padded when the model runs; its kernel is one of warps then (codegen/schedules/cuda/MmaMatmul.cpp). Comes after attention is formed, whose
    kernels have a copy engine.
  }];
  let statistics = [Statistic<"numFetched", "num-fetched", "Products whose operands lost a pad">];
}

def MergeProducts : Pass<"jinx-merge-products", "::mlir::func::FuncOp"> {
  let summary = "One product in place of several with one operand, whose results are heads";
  let description = [{
    `packed_matmul` of one operand with several constants, each result read as [n, heads, depth] and as nothing else, become one product with a constant
    that lies in pieces (jinx.concat of constants along the first dimension), and slices of its heads. So q, k and v of attention are one launch. Where a constant
    of one row is added to each result before its heads, the rows become one constant, added to the one product; a product without one gets -0. Roundings behind
    the sums go behind the slices.
    Comes behind the last folding of constants, which would copy the pieces.
  }];
  let statistics = [Statistic<"numMerged", "num-merged", "Products that stand for several">];
}

def PairProducts : Pass<"jinx-pair-products", "::mlir::func::FuncOp"> {
  let summary = "One group with one product in place of a gate and what it is multiplied with";
  let description = [{
    Two `packed_matmul` of 16-bit floats, of one operand with constants of one shape, whose results are read element by element alone until one value is made of
    both, become a `jinx.group "matmul"`: one product with both constants behind each other (jinx.concat along the first dimension: a constant in pieces), slices
    of its halves of columns, and the operators between. Two `packed_grouped_matmul` of one operand and the same ends (a mixture of experts) become a
    `jinx.group "grouped"` of both products and the operators; their weights may be any values of one shape. For GPUs with a copy engine. Comes behind the last
    folding of constants, and before jinx-fuse, which leaves the group as it is.
  }];
  let statistics = [Statistic<"numPaired", "num-paired", "Products that stand for two">];
}

def ExpandExperts : Pass<"jinx-expand-experts", "::mlir::func::FuncOp"> {
  let summary = "Write mixtures of experts as grouped products of sorted rows";
  let description = [{
    A `jinx.experts` becomes: where each pair of a token and an expert lies among those sorted by expert, by sums; the rows of tokens in this order;
    three `jinx.grouped_matmul` and the gate between them; the weighted sums of each token's rows. Pairs whose expert is none lie nowhere and add 0.
    Before constants are folded: weights are transposed and packed by the passes that know grouped products. Leaves IR without `jinx.experts`.
  }];
  let options = [Option<"cuda", "cuda", "bool", "false", "Find places by comparing all pairs: fewer launches, none of which waits for sums">];
  let statistics = [Statistic<"numExpanded", "num-expanded", "Mixtures written as grouped products">];
}

def ExpandAttentionGrad : Pass<"jinx-expand-attention-grad", "::mlir::func::FuncOp"> {
  let summary = "Write gradients of attention as products and elementwise operators";
  let description = [{
    A `jinx.attention_grad` becomes five products and what lies between them, in f32 (f64 for f64): right on every target, with weights and
    their gradients in memory. With `keep` those stay that the CUDA schedule takes (codegen/schedules/cuda/GroupAttentionGrad.h), for
    jinx-form-attention-grad; a remark says why another one does not. Leaves IR without others.
  }];
  let options = [Option<"keep", "keep", "bool", "false", "Leave what the CUDA schedule takes">];
  let statistics = [Statistic<"numExpanded", "num-expanded", "Gradients of attention written as products">];
}

def FormAttentionGrad : Pass<"jinx-form-attention-grad", "::mlir::func::FuncOp"> {
  let summary = "Make two groups of each gradient of attention: dk and dv, and dq";
  let description = [{
    A `jinx.attention_grad` that the CUDA schedule takes becomes one `jinx.group "attention_grad"` that gives dk and dv and one that gives dq, each with
    the operator in it; where nothing reads a group's results there is none. lse and delta are filled up to a multiple of 128 rows
    before, with +inf and 0, and so is a row that sees nothing: its weights are 0 without a mask. Groups are final (jinx-fuse).
  }];
  let statistics = [Statistic<"numFormed", "num-formed", "Gradients of attention gathered">];
}

def FuseOperators : Pass<"jinx-fuse", "::mlir::func::FuncOp"> {
  let summary = "Form groups of operators that one kernel computes";
  let description = [{
    A heap of producers, keyed by the microseconds that fusing each into the groups that read it saves (FusionHeap.h), by an analytic model
    of the target (CostModel.h: bytes, operations, launches). A fusion must be one that a schedule can hold (Legality.h). A producer joins
    one group, or, when it is cheap and then needs no kernel, is cloned into all that read it. Constants with one value are always cloned.
    Groups that are there already (jinx-form-attention) are taken apart; where one kernel for their operators is worth it they start as one.
    For CUDA they stay as they are: nothing joins them.
    Every decision is a remark with what it saves: `Joined`, `Cloned`; `Refused` (no kernel can hold both), `NotWorthwhile`.
    With `enable=false` every operator gets a group of its own: the unfused baseline. Leaves nothing that has a kernel outside of groups.
  }];
  let options = [Option<"enable", "enable", "bool", "true", "Fuse; off gives one kernel per operator">,
                 Option<"target", "target", "std::string", "\"cpu\"", "Whose times count: cpu or cuda">,
                 Option<"vectorBytes", "vector-bytes", "int64_t", "64", "Width of a vector register">];
  let statistics = [Statistic<"numGroups", "num-groups", "Groups formed">, Statistic<"numFused", "num-fused", "Groups that joined another">,
                    Statistic<"numCloned", "num-cloned", "Copies of cheap groups made inside others">,
                    Statistic<"numRefused", "num-refused", "Joins that no kernel could hold">,
                    Statistic<"numNotWorthwhile", "num-not-worthwhile", "Joins that would save nothing">];
}

def ScheduleGroups : Pass<"jinx-schedule", "::mlir::ModuleOp"> {
  let summary = "Write the tile kernel of every group";
  let description = [{
    Each `jinx.group` becomes a `tile.kernel` of the module and a `jinx.launch`. Groups that give the same kernel share one. With `cuda`
    a reduction over many rows becomes two kernels: results of parts of the rows, and results of those (codegen/schedules/cuda/RowParts.h).
  }];
  let options = [Option<"vectorBytes", "vector-bytes", "int64_t", "64", "Width of a vector register">,
                 Option<"registers", "registers", "int64_t", "32", "Number of vector registers">,
                 Option<"cuda", "cuda", "bool", "false", "Write kernels for CUDA; a group that has none goes back to operators">];
  let statistics = [Statistic<"numKernels", "num-kernels", "Kernels written">, Statistic<"numShared", "num-shared", "Groups that share a kernel">,
                    Statistic<"numCut", "num-cut", "Reductions whose rows are cut in parts">,
                    Statistic<"numMeasured", "num-measured", "Kernels whose sizes were chosen by a measurement">,
                    Statistic<"numDissolved", "num-dissolved", "Groups without a kernel, whose operators run on the host">];
  let dependentDialects = ["::jinx::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def FuseSums : Pass<"jinx-fuse-sums", "::mlir::ModuleOp"> {
  let summary = "Add up what ranks have in the kernel that reads the sum (CUDA)";
  let description = [{
    A launch behind a `dist.all_reduce sum` whose kernel reads the result once, a row a program, becomes one of a kernel that takes this rank's part, too, and adds up
    what ranks have as it reads the row, where they reach each other's memory; it writes the sum, for those that read it later. The all_reduce stays for where they do not.
  }];
  let statistics = [Statistic<"numFused", "num-fused", "Launches that add up what ranks have">];
  let dependentDialects = ["::jinx::tile::TileDialect", "::mlir::arith::ArithDialect"];
}
def PairLaunches : Pass<"jinx-pair-launches", "::mlir::ModuleOp"> {
  let summary = "Run independent sequential kernels, or small ones on CUDA, side by side";
  let description = [{
    A kernel that walks time step by step has as many programs as there are sequences, often one, and leaves the other threads idle. Two
    such launches of which neither needs the other (the directions of a bidirectional layer) become one launch of a kernel whose
    first programs are those of the one and whose last are those of the other.

    With `cuda` those launches are joined, two and more, that read one result of another launch and whose programs are warps: each would take a launch's time
    for next to nothing.
  }];
  let options = [Option<"cuda", "cuda", "bool", "false", "Join small launches that read one result, and no others">];
  let statistics = [Statistic<"numPaired", "num-paired", "Launches that run beside another">];
  let dependentDialects = ["::jinx::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def PrintFactors : Pass<"jinx-print-factors", "::mlir::ModuleOp"> {
  let summary = "Print the factor rule of each operator: which loops it has, and which dimension walks which";
  let description = [{
    A line for each operator, on standard output, in the order of the module (ir/Graph/Factors.h): `matmul: a[m, k] b[k, n] -> y[m, n]; k sums; partial: a (sum), b (sum)`.
    An operator without a rule says why it has none. Leaves the IR as it is; for looking closely and for tests.
  }];
  let options = [Option<"sizes", "sizes", "bool", "false", "Print the sizes of the factors, too">];
  let statistics = [Statistic<"numRules", "num-rules", "Operators with a rule">, Statistic<"numWithout", "num-without", "Operators without one">];
}

#endif
