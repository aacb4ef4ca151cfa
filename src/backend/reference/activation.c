/* Activations f and their slopes f', alone or as gates. */
#include "backend/reference/reference.h"

#include <math.h>

static double silu(double x) {
    return x / (1.0 + exp(-x));
}

static double silu_slope(double x) {
    double s = 1.0 / (1.0 + exp(-x));
    return s + x * s * (1.0 - s);
}

/* Phi(x), of the normal distribution */
static double normal_below(double x) {
    return 0.5 * erfc(-x * sqrt(0.5));
}

static double gelu(double x) {
    return x * normal_below(x);
}

static double gelu_slope(double x) {
    return normal_below(x) + x * exp(-0.5 * x * x) / sqrt(2.0 * 3.14159265358979323846);
}

/* 1/2 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3) */
static double gelu_tanh(double x) {
    double u = sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
    return x / (1.0 + exp(-2.0 * u));
}

static double gelu_tanh_slope(double x) {
    double root = sqrt(2.0 / 3.14159265358979323846), u = root * (x + 0.044715 * x * x * x);
    double s = 1.0 / (1.0 + exp(-2.0 * u)), rest = 1.0 / (1.0 + exp(2.0 * u));
    if (fabs(x) > 100.0) return s;
    return s + x * s * rest * 2.0 * root * (1.0 + 3.0 * 0.044715 * x * x);
}

static double relu(double x) {
    return x < 0.0 ? 0.0 : x;
}

static double relu_slope(double x) {
    return x > 0.0 ? 1.0 : 0.0;
}

static double relu2(double x) {
    return x < 0.0 ? 0.0 : x * x;
}

static double relu2_slope(double x) {
    return x < 0.0 ? 0.0 : 2.0 * x;
}

static double steep_silu(double x) {
    return x / (1.0 + exp(-1.702 * x));
}

static double steep_silu_slope(double x) {
    double s = 1.0 / (1.0 + exp(-1.702 * x));
    return s + 1.702 * x * s * (1.0 - s);
}

static const struct {
    double (*value)(double x);
    double (*slope)(double x);
} functions[PARE_ACTIVATIONS] = {
    [PARE_ACTIVATION_SILU] = {silu, silu_slope},
    [PARE_ACTIVATION_GELU] = {gelu, gelu_slope},
    [PARE_ACTIVATION_GELU_TANH] = {gelu_tanh, gelu_tanh_slope},
    [PARE_ACTIVATION_RELU] = {relu, relu_slope},
    [PARE_ACTIVATION_RELU2] = {relu2, relu2_slope},
    [PARE_ACTIVATION_CLAMPED] = {steep_silu, steep_silu_slope},
};

/* A number within bounds, and the slope there. */
typedef struct bounded {
    double value, slope;
} bounded;

static bounded bounded_of(double x, double least, double most) {
    bounded out = {x, 1.0};
    if (x < least) out = (bounded){least, 0.0};
    if (x > most) out = (bounded){most, 0.0};
    return out;
}

/* What is activated, and what that is multiplied by. */
static bounded first_of(pare_gating gating, double x) {
    bool clamped = gating.activation == PARE_ACTIVATION_CLAMPED;
    return bounded_of(x, -INFINITY, clamped ? (double)gating.limit : INFINITY);
}

static bounded second_of(pare_gating gating, double up) {
    if (gating.activation != PARE_ACTIVATION_CLAMPED) return (bounded){up, 1.0};
    bounded out = bounded_of(up, -(double)gating.limit, (double)gating.limit);
    return (bounded){out.value + 1.0, out.slope};
}

void pare_reference_gated_forward(const pare_backend *backend, pare_gating gating, const float *gate, const float *up,
                                  int64_t n, void *out) {
    (void)backend;
    for (int64_t i = 0; i < n; i++) {
        bounded x = first_of(gating, (double)(gate ? gate[i] : up[i]));
        double value = functions[gating.activation].value(x.value);
        ((float *)out)[i] = (float)(gate ? value * second_of(gating, (double)up[i]).value : value);
    }
}

void pare_reference_gated_backward(const pare_backend *backend, pare_gating gating, const float *gate, const float *up,
                                   const float *dout, int64_t n, void *dgate, void *dup) {
    (void)backend;
    for (int64_t i = 0; i < n; i++) {
        bounded x = first_of(gating, (double)(gate ? gate[i] : up[i])), y = second_of(gating, (double)up[i]);
        double gradient = (double)dout[i], value = functions[gating.activation].value(x.value);
        double through = gradient * functions[gating.activation].slope(x.value) * x.slope;
        if (gate) ((float *)dgate)[i] = (float)(through * y.value);
        ((float *)dup)[i] = (float)(gate ? gradient * value * y.slope : through);
    }
}
