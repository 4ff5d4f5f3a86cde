// ================================ jinx device library: math ================================
/// The greater, the lesser; NaN if either is NaN.
JINX_DEVICE float max_nan(float a, float b) {
#ifdef JINX_EMULATED
  return a != a || b != b ? a + b : fmaxf(a, b);
#else
  float r;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
#endif
}
JINX_DEVICE float min_nan(float a, float b) {
#ifdef JINX_EMULATED
  return a != a || b != b ? a + b : fminf(a, b);
#else
  float r;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
#endif
}
JINX_DEVICE double max_nan(double a, double b) { return a != a || b != b ? a + b : fmax(a, b); }
JINX_DEVICE double min_nan(double a, double b) { return a != a || b != b ? a + b : fmin(a, b); }
JINX_DEVICE float reciprocal_sqrt(float x) { return 1.0f / sqrtf(x); }
JINX_DEVICE double reciprocal_sqrt(double x) { return 1.0 / sqrt(x); }
/// What many values are divided by: the division of each is then a product and one correction, without the branch of a full division.
/// A divisor near the ends of the range is scaled into its middle by a power of two.
struct Divisor { float value, inverse, scale; };
JINX_DEVICE Divisor divisor(float d) {
  const float scale = fabsf(d) > 0x1p100f ? 0x1p-64f : fabsf(d) < 0x1p-100f ? 0x1p64f : 1.0f, value = d * scale;
  return Divisor{value, 1.0f / value, scale};
}
/// x / d, rounded as a division is (Markstein 1990); a subnormal quotient may be off by its last bit.
JINX_DEVICE float divide(float x, const Divisor& by) {
  const float scaled = x * by.scale, quotient = scaled * by.inverse, rest = fmaf(-quotient, by.value, scaled);
  return fabsf(rest) > 0.0f && fabsf(rest) < INFINITY ? fmaf(rest, by.inverse, quotient) : quotient;
}
/// x / d within 2^-22 of its value, relative: for what is rounded to 16 bits.
JINX_DEVICE float divide_approx(float x, const Divisor& by) { return x * by.scale * by.inverse; }
template <typename T, typename N>
JINX_DEVICE T power_integer(T base, N exponent) {
  const bool inverse = exponent < 0;
  u64 n = inverse ? u64(0) - static_cast<u64>(exponent) : static_cast<u64>(exponent);
  T result = T(1);
  for (T b = base; n; n >>= 1, b *= b)
    if (n & 1) result *= b;
  return inverse ? T(1) / result : result;
}
/// 2^x within 2 units in the last place, denormal results as zero.
JINX_DEVICE float exp2_approx(float x) {
#ifdef JINX_EMULATED
  return exp2f(x);
#else
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
#endif
}
/// e^x within 2^-17, relative: for what is rounded to 16 bits at once.
JINX_DEVICE float exp_approx(float x) { return exp2_approx(x * 1.44269504f); }
/// 1 / x within a unit in the last place, denormal results as zero.
JINX_DEVICE float reciprocal_approx(float x) {
#ifdef JINX_EMULATED
  return 1.0f / x;
#else
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
#endif
}
/// erf within 2^-14.9 of its value, relative: for what is rounded to 16 bits at once. x * p(x^2), fitted to the least relative error up to 3,
/// from where on it is 1.
JINX_DEVICE float erf_approx(float x) {
  const float t = max_nan(min_nan(x, 3.0f), -3.0f), u = t * t;
  float p = 4.5205056e-8f;
  p = fmaf(p, u, -2.1201326e-6f);
  p = fmaf(p, u, 4.3910059e-5f);
  p = fmaf(p, u, -5.3577177e-4f);
  p = fmaf(p, u, 4.3587718e-3f);
  p = fmaf(p, u, -2.5456011e-2f);
  p = fmaf(p, u, 1.1162506e-1f);
  p = fmaf(p, u, -3.7570405e-1f);
  p = fmaf(p, u, 1.1283534f);
  return p * t;
}
