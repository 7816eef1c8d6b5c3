#ifndef TOUCHMARK_H
#define TOUCHMARK_H

/* Made by cbindgen from src/lib.rs; not to be edited by hand. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The most bytes of an answer.
#define TOUCHMARK_ANSWER_BYTES_MAX 256

// The room that a write module takes, in words of eight bytes.
#define TOUCHMARK_WRITE_MODULE_WORDS 704

// Room for a write module. What is in it is its own affair; it must not be moved or copied.
typedef struct {
  // The room.
  uint64_t words[TOUCHMARK_WRITE_MODULE_WORDS];
} TouchmarkWriteModule;

// A memory that is driven as NOR flash. Each function is given `context` and says whether it
// succeeded. Offsets count from the start of the memory.
typedef struct {
  // Passed on to the functions.
  void *context;
  // The bytes of the memory.
  uint32_t bytes;
  // Reads `length` bytes into `bytes`. Both offset and length are multiples of 32.
  bool (*read)(void *context, uint32_t offset, uint8_t *bytes, uint32_t length);
  // Programs `length` bytes that are erased. Both offset and length are multiples of 32.
  bool (*program)(void *context, uint32_t offset, const uint8_t *bytes, uint32_t length);
  // Erases what lies from `start` up to `end`, always one half of an area.
  bool (*erase)(void *context, uint32_t start, uint32_t end);
} TouchmarkMemory;

// A part of a memory, from `start` up to `end`.
typedef struct {
  // Its first byte.
  uint32_t start;
  // The byte after its last.
  uint32_t end;
} TouchmarkArea;

// The board that a write module runs on.
typedef struct {
  // What the board was built as: the product code, ended by a zero.
  const char *product;
  // The number of its chip, 4 to 16 bytes.
  const uint8_t *hardware_uid;
  // How many bytes that number has.
  uint32_t hardware_uid_bytes;
  // Passed on to `fill_random`.
  void *context;
  // Overwrites `length` bytes from the chip's random number generator.
  void (*fill_random)(void *context, uint8_t *bytes, uint32_t length);
  // The flash memory.
  TouchmarkMemory flash;
  // Where the certificate lies in it: two halves, each a whole number of erase blocks and at
  // least 4992 bytes.
  TouchmarkArea certificate;
  // Where the common certificate lies in it.
  TouchmarkArea common_certificate;
  // Where the fixed parameters lie in it.
  TouchmarkArea fixed_parameters;
  // Where the program lies in it; empty where the program has a memory of its own.
  TouchmarkArea program;
  // The NVRAM.
  TouchmarkMemory nvram;
  // Where its record lies in it: two halves, each a whole number of erase blocks and at least
  // 2048 bytes.
  TouchmarkArea nvram_area;
} TouchmarkBoard;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// To be written by the firmware: restarts the chip, and does not return. It is called where the
// write module finds a fault in itself; the memories are then as after a power cut.
extern void touchmark_restart(void);

// Starts a write module after each start of the chip. False where `board` does not describe a
// board: a function is missing, the product code or the number of the chip is not one, or an area
// does not lie in its memory or is too small.
//
// # Safety
// `module` and `board` point to such structures, and the functions and texts of `board` are what
// they are said to be. `board` may be given up afterwards; whatever its contexts point to must
// remain.
bool touchmark_start(TouchmarkWriteModule *module, const TouchmarkBoard *board);

// Takes the next byte from the station. Returns the length of the answer to send, or 0 where the
// request goes on. All the work of a request is done in here, with its last byte.
//
// # Safety
// `module` was started, `answer` has room for `TOUCHMARK_ANSWER_BYTES_MAX` bytes, and no other call
// with the same module is under way.
size_t touchmark_receive(TouchmarkWriteModule *module, uint8_t byte, uint8_t *answer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TOUCHMARK_H */
