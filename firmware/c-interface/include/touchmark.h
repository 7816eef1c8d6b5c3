#ifndef TOUCHMARK_H
#define TOUCHMARK_H

/* Made by cbindgen from src/lib.rs; not to be edited by hand. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The most bytes of an answer.
#define TOUCHMARK_ANSWER_BYTES_MAX 416

// The room that a write module takes, in words of eight bytes.
#define TOUCHMARK_WRITE_MODULE_WORDS 768

// The bytes of a pre-write key, and of a chip's own key.
#define TOUCHMARK_KEY_BYTES 32

// The bytes of an apparatus ID.
#define TOUCHMARK_APPARATUS_ID_BYTES 16

// The bytes of a pass phrase.
#define TOUCHMARK_PASS_PHRASE_BYTES 32

// The most bytes of a signature.
#define TOUCHMARK_SIGNATURE_BYTES_MAX 96

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
  // The name of the pre-write key, ended by a zero: `TOUCHMARK_KEY_IDENTIFIER` of the header that
  // the authority exports.
  const char *key_identifier;
  // The pre-write key, or what was derived from it for this chip; null where the product has none.
  const uint8_t *pre_write_key;
  // The chip's own key, a scalar of P-256, highest byte first; null where the chip has none.
  const uint8_t *chip_key;
  // Passed on to `fill_random`.
  void *context;
  // Overwrites `length` bytes from the chip's random number generator. Keys are made from them.
  void (*fill_random)(void *context, uint8_t *bytes, uint32_t length);
  // The flash memory.
  TouchmarkMemory flash;
  // Where the certificate lies in it: two halves, each a whole number of erase blocks and at
  // least 5280 bytes.
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

// Bytes that are lent for a call.
typedef struct {
  // The first of them; not null.
  const uint8_t *start;
  // How many they are.
  size_t length;
} TouchmarkBytes;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// To be written by the firmware: restarts the chip, and does not return. It is called where the
// write module finds a fault in itself; the memories are then as after a power cut.
extern void touchmark_restart(void);

// Starts a write module after each start of the chip. False where `board` does not describe a
// board: a function is missing, the product code, the number of the chip or a key is not one, or an
// area does not lie in its memory or is too small.
//
// # Safety
// `module` and `board` point to such structures, and the functions and texts of `board` are what
// they are said to be. `board` and the keys may be given up afterwards; whatever its contexts point
// to must remain.
bool touchmark_start(TouchmarkWriteModule *module, const TouchmarkBoard *board);

// Takes the next byte from the station. Returns the length of the answer to send, or 0 where the
// request goes on. All the work of a request is done in here, with its last byte.
//
// # Safety
// `module` was started, `answer` has room for `TOUCHMARK_ANSWER_BYTES_MAX` bytes, and no other call
// with the same module is under way.
size_t touchmark_receive(TouchmarkWriteModule *module, uint8_t byte, uint8_t *answer);

// Lends the device's symmetric credential to `act`, for as long as that takes. A pass phrase that is
// kept sealed is opened for this time only. False where the device has none.
//
// # Safety
// `module` was started, and no other call with it is under way, in `act` neither.
bool touchmark_with_pass_phrase(TouchmarkWriteModule *module,
                                void *context,
                                void (*act)(void *context,
                                            const uint8_t *apparatus_id,
                                            const uint8_t *pass_phrase));

// Signs with the key of the device's certificate, or of the certificate that it is owed: ECDSA, `r` and
// `s`. Returns the length of the signature, or 0 where the device has no key. What is signed must
// begin with a label of its own, so that it is never taken for something else.
//
// # Safety
// `module` was started, no other call with it is under way, `message` has `length` bytes, and
// `signature` has room for `TOUCHMARK_SIGNATURE_BYTES_MAX`.
size_t touchmark_sign(TouchmarkWriteModule *module,
                      const uint8_t *message,
                      size_t length,
                      uint8_t *signature);

// Takes a certificate (DER) for the key that the device made, with those of the CA that signed it and of
// the root: the one that it was owed when it was confirmed, or a renewed one. False where it is not for
// that key, or the memory fails.
//
// # Safety
// `module` was started, no other call with it is under way, and each certificate has as many bytes as
// is said.
bool touchmark_install_certificate(TouchmarkWriteModule *module,
                                   TouchmarkBytes root,
                                   TouchmarkBytes issuing,
                                   TouchmarkBytes client);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TOUCHMARK_H */
