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

static const struct {
    double (*value)(double x);
    double (*slope)(double x);
} functions[PARE_ACTIVATIONS] = {
    [PARE_ACTIVATION_SILU] = {silu, silu_slope},
    [PARE_ACTIVATION_GELU] = {gelu, gelu_slope},
    [PARE_ACTIVATION_GELU_TANH] = {gelu_tanh, gelu_tanh_slope},
    [PARE_ACTIVATION_RELU] = {relu, relu_slope},
    [PARE_ACTIVATION_RELU2] = {relu2, relu2_slope},
};

void pare_reference_gated_forward(const pare_backend *backend, pare_activation activation, const float *gate,
                                  const float *up, int64_t n, void *out) {
    (void)backend;
    for (int64_t i = 0; i < n; i++)
        ((float *)out)[i] = (float)(gate ? functions[activation].value((double)gate[i]) * (double)up[i]
                                         : functions[activation].value((double)up[i]));
}

void pare_reference_gated_backward(const pare_backend *backend, pare_activation activation, const float *gate,
                                   const float *up, const float *dout, int64_t n, void *dgate, void *dup) {
    (void)backend;
    for (int64_t i = 0; i < n; i++) {
        double gradient = (double)dout[i], x = (double)(gate ? gate[i] : up[i]);
        double through = gradient * functions[activation].slope(x);
        if (gate) ((float *)dgate)[i] = (float)(through * (double)up[i]);
        ((float *)dup)[i] = (float)(gate ? gradient * functions[activation].value(x) : through);
    }
}
