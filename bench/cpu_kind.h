/* The kind of CPU as oneDNN sees it, for the rows of bench/regression.csv. */
#ifndef PARE_BENCH_CPU_KIND_H
#define PARE_BENCH_CPU_KIND_H

#include <oneapi/dnnl/dnnl.h>

static inline const char *cpu_kind(void) {
#if defined(__x86_64__)
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } kinds[] = {{dnnl_cpu_isa_avx512_core_amx, "amx"},
                 {dnnl_cpu_isa_avx512_core_bf16, "avx512-bf16"},
                 {dnnl_cpu_isa_avx512_core, "avx512"},
                 {dnnl_cpu_isa_avx2, "avx2"}};
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((isa & (unsigned)kinds[i].isa) == (unsigned)kinds[i].isa) return kinds[i].name;
#endif
    return "other";
}

#endif
