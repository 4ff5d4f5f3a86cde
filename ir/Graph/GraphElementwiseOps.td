// Elementwise operators. Binary and ternary ones broadcast as numpy does; operands of one element type except where said.
#ifndef JINX_GRAPH_ELEMENTWISE_OPS_TD
#define JINX_GRAPH_ELEMENTWISE_OPS_TD

/// Marks operators that compute each result element from the operands' elements at the same (broadcast) index.
def Graph_Elementwise : NativeOpTrait<"Elementwise"> { let cppNamespace = "::jinx::graph"; }

class Graph_UnaryOp<string mnemonic, string summary_> : Graph_InferredOp<mnemonic, [Graph_Elementwise]> {
  let summary = summary_;
  let description = "`y[i] = " # mnemonic # "(x[i])`; the result has the operand's type.";
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
}
class Graph_BinaryOp<string mnemonic, string summary_, list<Trait> traits = []>
    : Graph_InferredOp<mnemonic, !listconcat([Graph_Elementwise], traits)> {
  let summary = summary_;
  let description = "`y = " # mnemonic # "(a, b)` elementwise with numpy broadcasting; both operands have one element type.";
  let arguments = (ins AnyRankedTensor:$a, AnyRankedTensor:$b);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$a `,` $b attr-dict `:` type($a) `,` type($b) `->` type($y)";
}

def Graph_AbsOp : Graph_UnaryOp<"abs", "absolute value">;
def Graph_NegOp : Graph_UnaryOp<"neg", "negation">;
def Graph_ExpOp : Graph_UnaryOp<"exp", "natural exponential">;
def Graph_Expm1Op : Graph_UnaryOp<"expm1", "exp(x) - 1, accurate near 0">;
def Graph_LogOp : Graph_UnaryOp<"log", "natural logarithm">;
def Graph_Log1pOp : Graph_UnaryOp<"log1p", "log(1 + x), accurate near 0">;
def Graph_SqrtOp : Graph_UnaryOp<"sqrt", "square root">;
def Graph_RsqrtOp : Graph_UnaryOp<"rsqrt", "1 / square root">;
def Graph_SinOp : Graph_UnaryOp<"sin", "sine, radians">;
def Graph_CosOp : Graph_UnaryOp<"cos", "cosine, radians">;
def Graph_TanhOp : Graph_UnaryOp<"tanh", "hyperbolic tangent">;
def Graph_AtanOp : Graph_UnaryOp<"atan", "arc tangent">;
def Graph_ErfOp : Graph_UnaryOp<"erf", "error function">;
def Graph_SigmoidOp : Graph_UnaryOp<"sigmoid", "1 / (1 + exp(-x))">;
def Graph_ReluOp : Graph_UnaryOp<"relu", "max(x, 0); NaN stays NaN">;
def Graph_FloorOp : Graph_UnaryOp<"floor", "largest integer not above x">;
def Graph_CeilOp : Graph_UnaryOp<"ceil", "smallest integer not below x">;
def Graph_RoundOp : Graph_UnaryOp<"round", "nearest integer, ties to even">;
def Graph_NotOp : Graph_UnaryOp<"not", "logical not (bool) or bitwise not (integers)">;

def Graph_AddOp : Graph_BinaryOp<"add", "sum", [Commutative]>;
def Graph_SubOp : Graph_BinaryOp<"sub", "difference">;
def Graph_MulOp : Graph_BinaryOp<"mul", "product", [Commutative]>;
def Graph_DivOp : Graph_BinaryOp<"div", "quotient; integers round towards zero, division of an integer by zero gives 0">;
def Graph_ModOp : Graph_BinaryOp<"mod", "remainder with the divisor's sign (floats: fmod, the dividend's sign)">;
def Graph_MaxOp : Graph_BinaryOp<"max", "larger of two; NaN if either is", [Commutative]>;
def Graph_MinOp : Graph_BinaryOp<"min", "smaller of two; NaN if either is", [Commutative]>;
def Graph_PowOp : Graph_BinaryOp<"pow", "a to the power of b">;
def Graph_AndOp : Graph_BinaryOp<"and", "logical (bool) or bitwise (integers) and", [Commutative]>;
def Graph_OrOp : Graph_BinaryOp<"or", "logical (bool) or bitwise (integers) or", [Commutative]>;
def Graph_XorOp : Graph_BinaryOp<"xor", "logical (bool) or bitwise (integers) exclusive or", [Commutative]>;

def Graph_ComparePredicate : I32EnumAttr<"ComparePredicate", "comparison",
    [I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
     I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]> {
  let cppNamespace = "::jinx::graph";
}
def Graph_CompareOp : Graph_InferredOp<"compare", [Graph_Elementwise]> {
  let summary = "elementwise comparison; the result is bool (i1)";
  let description = [{ Ordered: any comparison with NaN is false, except `ne`. Broadcasts as numpy does. }];
  let arguments = (ins Graph_ComparePredicate:$predicate, AnyRankedTensor:$a, AnyRankedTensor:$b);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$predicate `,` $a `,` $b attr-dict `:` type($a) `,` type($b) `->` type($y)";
}
def Graph_SelectOp : Graph_InferredOp<"select", [Graph_Elementwise]> {
  let summary = "y = condition ? a : b, elementwise";
  let description = [{ All three operands broadcast; `a` and `b` have one element type. }];
  let arguments = (ins AnyRankedTensor:$condition, AnyRankedTensor:$a, AnyRankedTensor:$b);
  let results = (outs AnyRankedTensor:$y);
  let assemblyFormat = "$condition `,` $a `,` $b attr-dict `:` type($condition) `,` type($a) `,` type($b) `->` type($y)";
}
def Graph_CastOp : Graph_Op<"cast", [Pure, Graph_Elementwise]> {
  let summary = "element type conversion";
  let description = [{
    Float to integer truncates towards zero, integer to narrower integer wraps, anything to bool is `x != 0`,
    float to narrower float rounds to nearest even. What is too large for an 8-bit float, infinity included, becomes its largest number.
  }];
  let arguments = (ins AnyRankedTensor:$x);
  let results = (outs AnyRankedTensor:$y);
  let hasVerifier = 1;
  let hasFolder = 1;
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($y)";
}

#endif
