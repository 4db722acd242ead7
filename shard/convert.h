/* convert.h - numbers of other programs' formats, shared by export.c and import.c. */
#ifndef WT_SHARD_CONVERT_H
#define WT_SHARD_CONVERT_H

#include "common/err.h"

typedef enum { SHARD_NANOGPT, SHARD_LLMC, SHARD_MEGATRON } shard_format;
int shard_format_named(const char *name, shard_format *format, wt_err *err);

/* llm.c: 256 int32 (magic, version, tokens), then the tokens. */
#define LLMC_MAGIC_U16 20240520
#define LLMC_VERSION_U16 1
#define LLMC_MAGIC_U32 20240801
#define LLMC_VERSION_U32 7
#define LLMC_HEADER_BYTES 1024

/* Megatron-LM: .idx = magic, u64 version 1, u8 type, u64 sequences, u64 documents + 1,
 * i32 lengths, i64 byte offsets, i64 first sequence of each document. */
#define MEGATRON_MAGIC "MMIDIDX\0\0"
#define MEGATRON_MAGIC_BYTES 9
#define MEGATRON_HEADER_BYTES 34
#define MEGATRON_I32 4
#define MEGATRON_U16 8
#define MEGATRON_U16_BELOW 65500u       /* vocabularies below this are stored in 16 bits */

#endif
