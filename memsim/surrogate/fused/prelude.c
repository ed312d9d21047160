#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* `real` and ONE are defined before this. */

#define r_abs(a) R(fabs)(a)
#define r_log(a) R(log)(a)
#define r_sqrt(a) R(sqrt)(a)
#define r_sin(a) R(sin)(a)
#define r_cos(a) R(cos)(a)
#define r_asin(a) R(asin)(a)
#define r_atan(a) R(atan)(a)
#define r_sinh(a) R(sinh)(a)
#define r_cosh(a) R(cosh)(a)
#define r_tanh(a) R(tanh)(a)
#define r_asinh(a) R(asinh)(a)
#define r_expm1(a) R(expm1)(a)
#define r_max(a, b) ((a) > (b) ? (a) : (b))
#define r_min(a, b) ((a) < (b) ? (a) : (b))
#define r_sign(a) ((real)(((a) > 0) - ((a) < 0)))

/* What counts as zero under a negative power: the root of the smallest normal number. */
#ifdef SINGLE
#define TINY 0x1p-63f
#else
#define TINY 0x1p-511
#endif

static inline real r_power(real base, real exponent) {
    return exponent < 0 && r_abs(base) <= TINY ? 0 : R(pow)(base, exponent);
}
static inline real r_bounded_log(real a) { return r_log(r_max(a, TINY)); }

/* exp without a branch, so that compilers put it into vector code: exp(a) = 2^n exp(f), |f| <= ln 2 / 2,
   ln 2 in two parts, the Taylor series of exp(f) to the precision of the type. */
#ifdef SINGLE
static inline float r_exp(float a) {
    const float x = r_min(r_max(a, -87.0f), 88.0f);
    const float n = rintf(x * 1.44269504088896341f);
    const float f = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float sum = 1.0f / 5040;
    sum = sum * f + 1.0f / 720;
    sum = sum * f + 1.0f / 120;
    sum = sum * f + 1.0f / 24;
    sum = sum * f + 1.0f / 6;
    sum = sum * f + 0.5f;
    sum = sum * f + 1.0f;
    sum = sum * f + 1.0f;
    union { int32_t i; float f; } scale;
    scale.i = ((int32_t)n + 127) << 23;
    return sum * scale.f;
}
#else
static inline double r_exp(double a) {
    const double x = r_min(r_max(a, -708.0), 709.0);
    const double n = rint(x * 1.4426950408889634074);
    const double f = (x - n * 6.93147180369123816490e-1) - n * 1.90821492927058770002e-10;
    double sum = 1.0 / 6227020800.0;
    sum = sum * f + 1.0 / 479001600.0;
    sum = sum * f + 1.0 / 39916800.0;
    sum = sum * f + 1.0 / 3628800.0;
    sum = sum * f + 1.0 / 362880.0;
    sum = sum * f + 1.0 / 40320.0;
    sum = sum * f + 1.0 / 5040.0;
    sum = sum * f + 1.0 / 720.0;
    sum = sum * f + 1.0 / 120.0;
    sum = sum * f + 1.0 / 24.0;
    sum = sum * f + 1.0 / 6.0;
    sum = sum * f + 0.5;
    sum = sum * f + 1.0;
    sum = sum * f + 1.0;
    union { int64_t i; double f; } scale;
    scale.i = ((int64_t)n + 1023) << 52;
    return sum * scale.f;
}
#endif

static inline real r_logistic(real a) { return ONE / (ONE + r_exp(-a)); }
static inline real r_softplus(real a) { return r_max(a, 0) + R(log1p)(r_exp(-r_abs(a))); }
