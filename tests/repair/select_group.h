#include "select/element_select.h"
#include <math.h>
#include <stdlib.h>
static const float *sg_s; static int64_t sg_step;
static int sg_cmp(const void*a,const void*b){int64_t i=*(const int64_t*)a,j=*(const int64_t*)b;float x=sg_s[i*sg_step],y=sg_s[j*sg_step];return x<y?-1:x>y?1:i<j?-1:1;}
void pare_element_select_group(const float *scores, int64_t n, int64_t step, int64_t prune, uint8_t *kept){
#pragma omp critical
{sg_s=scores;sg_step=step;int64_t*o=malloc((size_t)(n+1)*8);for(int64_t i=0;i<n;i++)o[i]=i;qsort(o,(size_t)n,8,sg_cmp);for(int64_t i=0;i<n;i++)kept[o[i]]=i>=prune;free(o);}}
int64_t pare_element_count(int64_t n, double s){return (int64_t)floor((double)n*s+1e-9*(double)n*s+1e-9);}
