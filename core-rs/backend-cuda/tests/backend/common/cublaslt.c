/* cuBLASLt as far as the backend uses it, on host memory: column-major products by the words of
 * cublasLt.h, and a status for every misuse. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID = 7, NOT_SUPPORTED = 15 };
enum { R_32F = 0, R_16F = 2, R_16BF = 14, COMPUTE_32F = 68 };
enum { TRANSA = 3, EPILOGUE = 7, BIAS_POINTER = 8, EPILOGUE_BIAS = 4, MAX_WORKSPACE = 1 };

typedef struct { int type; uint64_t rows, columns; int64_t stride; } Layout;
typedef struct { uint32_t transposed, epilogue; uint64_t bias; } Description;
typedef struct { uint64_t algorithm[8]; size_t workspace; int state; float waves; int rest[4]; } Heuristic;

int cublasLtCreate(void **handle) { return (*handle = malloc(1)) ? SUCCESS : INVALID; }
int cublasLtDestroy(void *handle) { return free(handle), SUCCESS; }

int cublasLtMatrixLayoutCreate(Layout **layout, int type, uint64_t rows, uint64_t columns, int64_t stride) {
  if (stride < (int64_t)rows) return INVALID;
  *layout = malloc(sizeof **layout);
  **layout = (Layout){type, rows, columns, stride};
  return SUCCESS;
}
int cublasLtMatrixLayoutDestroy(Layout *layout) { return free(layout), SUCCESS; }

int cublasLtMatmulDescCreate(Description **description, int sums, int scale) {
  if (sums != COMPUTE_32F || scale != R_32F) return INVALID;
  return (*description = calloc(1, sizeof **description)) ? SUCCESS : INVALID;
}
int cublasLtMatmulDescSetAttribute(Description *description, int attribute, const void *value, size_t bytes) {
  void *fields[] = {[TRANSA] = &description->transposed, [EPILOGUE] = &description->epilogue,
                    [BIAS_POINTER] = &description->bias};
  size_t sizes[] = {[TRANSA] = 4, [EPILOGUE] = 4, [BIAS_POINTER] = 8};
  if (attribute < 0 || attribute > BIAS_POINTER || sizes[attribute] != bytes || bytes == 0) return INVALID;
  return memcpy(fields[attribute], value, bytes), SUCCESS;
}
int cublasLtMatmulDescDestroy(Description *description) { return free(description), SUCCESS; }

int cublasLtMatmulPreferenceCreate(size_t **preference) {
  return (*preference = calloc(1, sizeof **preference)) ? SUCCESS : INVALID;
}
int cublasLtMatmulPreferenceSetAttribute(size_t *preference, int attribute, const void *value, size_t bytes) {
  if (attribute != MAX_WORKSPACE || bytes != sizeof *preference) return INVALID;
  return memcpy(preference, value, bytes), SUCCESS;
}
int cublasLtMatmulPreferenceDestroy(size_t *preference) { return free(preference), SUCCESS; }

static int fits(const Description *description, const Layout *a, const Layout *b, const Layout *d) {
  uint64_t k = description->transposed ? a->rows : a->columns;
  uint64_t m = description->transposed ? a->columns : a->rows;
  return a->type == b->type && k == b->rows && m == d->rows && b->columns == d->columns &&
         (d->type == a->type || d->type == R_32F);
}

int cublasLtMatmulAlgoGetHeuristic(void *handle, Description *description, Layout *a, Layout *b, Layout *c,
                                   Layout *d, size_t *preference, int wanted, Heuristic *found, int *count) {
  if (!handle || wanted < 1 || *preference == 0 || c != d || !fits(description, a, b, d)) return INVALID;
  /* One type is left out, as a library may have no way for a product. */
  *count = a->type == R_16F ? 0 : 1;
  *found = (Heuristic){.workspace = *preference};
  return SUCCESS;
}

static float get(const void *from, int type, size_t index) {
  if (type == R_32F) return ((const float *)from)[index];
  uint32_t bits = (uint32_t)((const uint16_t *)from)[index] << 16;
  float value;
  return memcpy(&value, &bits, sizeof value), value;
}

static void put(void *to, int type, size_t index, float value) {
  uint32_t bits;
  if (type == R_32F) {
    ((float *)to)[index] = value;
    return;
  }
  memcpy(&bits, &value, sizeof bits);
  ((uint16_t *)to)[index] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

int cublasLtMatmul(void *handle, Description *description, const float *alpha, const void *a, Layout *of_a,
                   const void *b, Layout *of_b, const float *beta, const void *c, Layout *of_c, void *d,
                   Layout *of_d, const void *algorithm, void *workspace, size_t bytes, void *stream) {
  (void)stream;
  if (!handle || !algorithm || !workspace || bytes == 0 || c != d || of_c != of_d) return INVALID;
  if (*alpha != 1 || *beta != 0 || !fits(description, of_a, of_b, of_d)) return INVALID;
  for (uint64_t column = 0; column < of_d->columns; column++) {
    for (uint64_t row = 0; row < of_d->rows; row++) {
      float sum = 0;
      for (uint64_t k = 0; k < of_b->rows; k++) {
        size_t place = description->transposed ? row * of_a->stride + k : k * of_a->stride + row;
        sum += get(a, of_a->type, place) * get(b, of_b->type, column * of_b->stride + k);
      }
      if (description->epilogue == EPILOGUE_BIAS) {
        sum += get((const void *)(uintptr_t)description->bias, of_d->type, row);
      }
      put(d, of_d->type, column * of_d->stride + row, sum);
    }
  }
  return SUCCESS;
}
