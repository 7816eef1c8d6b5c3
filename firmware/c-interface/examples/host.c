/* A device in C, on a computer: the station's port is standard input and output, and the memories are
 * arrays under the rules of flash. Firmware replaces each function below with its chip's own.
 *
 *   touchmark authority pre-write-key export 3012-1 --c pre_write_key.h
 *   cc -I include -I . examples/host.c libtouchmark_c.a
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pre_write_key.h"
#include "touchmark.h"

enum {
  BLOCK_BYTES = 2048,
  FLASH_BYTES = 8 * BLOCK_BYTES,
  NVRAM_BYTES = 2 * BLOCK_BYTES,
};

static uint8_t flash[FLASH_BYTES];
static uint8_t nvram[NVRAM_BYTES];
static TouchmarkWriteModule module;

static bool read_memory(void *context, uint32_t offset, uint8_t *bytes, uint32_t length) {
  memcpy(bytes, (uint8_t *)context + offset, length);
  return true;
}

static bool program_memory(void *context, uint32_t offset, const uint8_t *bytes, uint32_t length) {
  uint8_t *memory = (uint8_t *)context + offset;
  for (uint32_t index = 0; index < length; index++) {
    if (memory[index] != 0xff) return false;
    memory[index] = bytes[index];
  }
  return true;
}

static bool erase_memory(void *context, uint32_t start, uint32_t end) {
  if (start % BLOCK_BYTES != 0 || end % BLOCK_BYTES != 0) return false;
  memset((uint8_t *)context + start, 0xff, end - start);
  return true;
}

static void fill_random(void *context, uint8_t *bytes, uint32_t length) {
  FILE *generator = context;
  if (fread(bytes, 1, length, generator) != length) abort();
}

/* Firmware answers its authenticator's challenge here. */
static void show_apparatus_id(void *context, const uint8_t *apparatus_id, const uint8_t *pass_phrase) {
  (void)pass_phrase;
  fputs("apparatus ID ", context);
  for (int index = 0; index < TOUCHMARK_APPARATUS_ID_BYTES; index++) {
    fprintf(context, "%02x", apparatus_id[index]);
  }
  fputc('\n', context);
}

void touchmark_restart(void) { abort(); }

int main(void) {
  static const uint8_t hardware_uid[] = {0x43, 0x00, 0x11, 0x22, 0x33, 0x44};
  FILE *generator = fopen("/dev/urandom", "rb");
  if (generator == NULL) return EXIT_FAILURE;

  const TouchmarkBoard board = {
      .product = "3012",
      .hardware_uid = hardware_uid,
      .hardware_uid_bytes = sizeof hardware_uid,
      .key_identifier = TOUCHMARK_KEY_IDENTIFIER,
      .pre_write_key = touchmark_pre_write_key,
      .chip_key = NULL,
      .context = generator,
      .fill_random = fill_random,
      .flash = {flash, FLASH_BYTES, read_memory, program_memory, erase_memory},
      .certificate = {0, 6 * BLOCK_BYTES},
      .common_certificate = {6 * BLOCK_BYTES, 7 * BLOCK_BYTES},
      .fixed_parameters = {7 * BLOCK_BYTES, 8 * BLOCK_BYTES},
      .program = {8 * BLOCK_BYTES, 8 * BLOCK_BYTES},
      .nvram = {nvram, NVRAM_BYTES, read_memory, program_memory, erase_memory},
      .nvram_area = {0, NVRAM_BYTES},
  };
  if (!touchmark_start(&module, &board)) {
    fputs("this is not a board\n", stderr);
    return EXIT_FAILURE;
  }

  uint8_t answer[TOUCHMARK_ANSWER_BYTES_MAX];
  for (int byte = getchar(); byte != EOF; byte = getchar()) {
    size_t length = touchmark_receive(&module, (uint8_t)byte, answer);
    if (length > 0) {
      fwrite(answer, 1, length, stdout);
      fflush(stdout);
    }
  }
  touchmark_with_pass_phrase(&module, stderr, show_apparatus_id);
  fclose(generator);
  return EXIT_SUCCESS;
}
