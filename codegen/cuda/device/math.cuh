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
