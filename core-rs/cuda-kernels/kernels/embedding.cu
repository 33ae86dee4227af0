// Token ids to the residual stream.

#include "blocks.h"
#include "element.h"

template <typename Source>
__device__ void embedding(const EmbeddingParams& p) {
  const u32 row = blockIdx.x;
  if (row >= p.rows) return;
  float* out = at<float>(p.out) + u64(row) * p.hidden;
  const u32 token = at<const u32>(p.tokens)[row];
  const float* positions = nullptr;
  if (p.position_table != 0) {
    const u32 place = at<const u32>(p.positions)[row] + p.position_offset;
    if (place < p.position_rows) positions = at<const float>(p.position_table) + u64(place) * p.hidden;
  }
  const Source table{p.table, p.hidden};
  for (u32 column = threadIdx.x; column < p.hidden; column += blockDim.x) {
    float value = token < p.vocab ? p.scale * table.one(token, column) : 0.f;
    if (positions != nullptr) value += positions[column];
    out[column] = value;
  }
}

#define INSTANCE(NAME, SOURCE) \
  TGI_KERNEL(tgi_embedding_##NAME, EmbeddingParams, THREADS, embedding<SOURCE>(p))
INSTANCE(bf16, Plain<bf16>)
INSTANCE(f16, Plain<f16>)
INSTANCE(f32, Plain<float>)
INSTANCE(q4_0, Packed<Q4_0>)
INSTANCE(q4_k, Packed<Q4_K>)
INSTANCE(q6_k, Packed<Q6_K>)
INSTANCE(q8_0, Packed<Q8_0>)
#undef INSTANCE
