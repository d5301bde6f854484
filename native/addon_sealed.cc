// Chunks that AES-256-GCM sealed are opened on threads of the pool, right where their bytes are wanted: node:crypto
// gives each piece in memory of its own, which costs more than the cipher. A thread reads and decrypts chunk by chunk.
// The cipher is that of the libcrypto that Node.js has in it: it exports OpenSSL's functions for addons,
// https://nodejs.org/api/addons.html.
#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "addon.h"

namespace weft {
namespace {

constexpr size_t key_bytes = 32, nonce_bytes = 12, tag_bytes = 16;
constexpr int set_tag = 0x11;  // EVP_CTRL_AEAD_SET_TAG

/** The functions of libcrypto's EVP interface, the same since OpenSSL 1.1; see EVP_EncryptInit(3). */
struct Libcrypto {
  void* (*create)();
  void (*free)(void*);
  const void* (*cipher)();
  int (*begin)(void*, const void* cipher, void* engine, const uint8_t* key, const uint8_t* nonce);
  int (*control)(void*, int type, int count, void* pointer);
  int (*update)(void*, uint8_t* out, int* length, const uint8_t* in, int count);
  int (*end)(void*, uint8_t* out, int* length);
  void (*clear_errors)();
  void (*cleanse)(void*, size_t);
  bool found = true;

  Libcrypto() {
    find(create, "EVP_CIPHER_CTX_new");
    find(free, "EVP_CIPHER_CTX_free");
    find(cipher, "EVP_aes_256_gcm");
    find(begin, "EVP_DecryptInit_ex");
    find(control, "EVP_CIPHER_CTX_ctrl");
    find(update, "EVP_DecryptUpdate");
    find(end, "EVP_DecryptFinal_ex");
    find(clear_errors, "ERR_clear_error");
    find(cleanse, "OPENSSL_cleanse");
  }

 private:
  template <class F> void find(F& function, const char* name) {
    function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
    found = found && function != nullptr;
  }
};

const Libcrypto& libcrypto() {
  static const Libcrypto one;
  return one;
}

struct Bytes {
  uint8_t* data;
  size_t length;
};

Bytes bytes_of(napi_env env, napi_value value) {
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  const bool found = napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) == napi_ok;
  require(found && type == napi_uint8_array, "ERR_ARGUMENT", "openSealed: an array is not of bytes");
  return {static_cast<uint8_t*>(data), length};
}

/** Where chunks lie: in memory, or in a file, from a position on. */
struct Stored {
  Bytes bytes{};
  int file = -1;
  off_t position = 0;
};

/** Fills memory from a place in a file; false where the file cannot be read, or ends before. */
bool read_at(int file, off_t position, uint8_t* to, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t count = pread(file, to + done, length - done, position + off_t(done));
    if (count > 0) done += size_t(count);
    else if (count == 0 || errno != EINTR) return false;
  }
  return true;
}

/**
 * Chunks of one file, and where they go: several threads take one after the other. The arrays stay until it is done.
 */
class Opening {
 public:
  Opening(Napi::Env env, const Bytes& key, const Bytes& associated, const Bytes& nonces, size_t chunk, const Stored& stored, int threads)
      : promise(Napi::Promise::Deferred::New(env)),
        associated_(associated.data, associated.data + associated.length),
        nonces_(nonces.data, nonces.data + nonces.length),
        chunk_(chunk),
        stored_(stored),
        working_(threads) {
    std::memcpy(key_.data(), key.data, key_bytes);
  }
  ~Opening() { libcrypto().cleanse(key_.data(), key_bytes); }

  void hold(const Napi::Value& stored, const Napi::Object& target) {
    target_ = bytes_of(target.Env(), target);
    if (stored.IsObject()) held_[0] = Napi::Persistent(stored.As<Napi::Object>());
    held_[1] = Napi::Persistent(target);
  }

  /** Opens chunks until there are no more, or one is not as it was sealed. On each of the threads. */
  void open_chunks() {
    const Libcrypto& crypto = libcrypto();
    // what a thread reads is in its cache when it is decrypted
    const std::unique_ptr<uint8_t[]> read(stored_.file >= 0 ? new uint8_t[chunk_ + tag_bytes] : nullptr);
    const std::unique_ptr<void, void (*)(void*)> context(crypto.create(), crypto.free);
    if (context == nullptr) throw std::bad_alloc();
    bool begun = false;
    const size_t count = nonces_.size() / nonce_bytes;
    for (size_t index; (index = next_++) < std::min(count, opened_.load());) {
      const size_t from = index * chunk_, length = std::min(chunk_, target_.length - from);
      const uint8_t* const stored = chunk_at(index, length, read.get());
      if (stored != nullptr && open(context.get(), index, stored, length, begun)) {
        begun = true;
        continue;
      }
      // nobody is to see what was not proven to be as it was sealed
      if (length > 0) std::memset(target_.data + from, 0, length);
      crypto.clear_errors();
      for (size_t least = opened_; index < least && !opened_.compare_exchange_weak(least, index);) {}
    }
  }

  /** A thread is done: the last one settles the promise. On the thread of JavaScript. */
  void leave(Napi::Env env, bool failed) {
    failed_ = failed_ || failed;
    if (--working_ > 0) return;
    if (failed_) return promise.Reject(to_javascript(env, "ERR_OUT_OF_MEMORY", "out of memory").Value());
    promise.Resolve(Napi::Number::New(env, double(std::min(nonces_.size() / nonce_bytes, opened_.load()))));
  }

  Napi::Promise::Deferred promise;

 private:
  const uint8_t* chunk_at(size_t index, size_t length, uint8_t* read) const {
    const size_t from = index * (chunk_ + tag_bytes);
    if (stored_.file < 0) return stored_.bytes.data + from;
    return read_at(stored_.file, stored_.position + off_t(from), read, length + tag_bytes) ? read : nullptr;
  }

  bool open(void* context, size_t index, const uint8_t* stored, size_t length, bool begun) {
    const Libcrypto& crypto = libcrypto();
    int done = 0;
    std::array<uint8_t, tag_bytes> rest;
    std::memcpy(rest.data(), stored + length, tag_bytes);
    return crypto.begin(context, begun ? nullptr : crypto.cipher(), nullptr, key_.data(), &nonces_[index * nonce_bytes]) == 1 &&
           crypto.update(context, nullptr, &done, associated_.data(), int(associated_.size())) == 1 &&
           (length == 0 || crypto.update(context, target_.data + index * chunk_, &done, stored, int(length)) == 1) &&
           crypto.control(context, set_tag, int(tag_bytes), rest.data()) == 1 && crypto.end(context, rest.data(), &done) == 1;
  }

  std::array<uint8_t, key_bytes> key_;
  std::vector<uint8_t> associated_, nonces_;
  size_t chunk_;
  Stored stored_;
  Bytes target_{};
  std::atomic<size_t> next_{0};
  std::atomic<size_t> opened_{SIZE_MAX};  // chunks before the first that is not as it was sealed
  int working_;
  bool failed_ = false;
  Napi::ObjectReference held_[2];
};

/** One of the threads. */
class Lane : public Napi::AsyncWorker {
 public:
  Lane(Napi::Env env, std::shared_ptr<Opening> opening) : Napi::AsyncWorker(env), opening_(std::move(opening)) {}
  void Execute() override { opening_->open_chunks(); }
  void OnOK() override { leave(false); }
  void OnError(const Napi::Error&) override { leave(true); }

 private:
  /** An environment that is being torn down takes no answer, and what is thrown there would end the process. */
  void leave(bool failed) {
    try {
      opening_->leave(Env(), failed);
    } catch (const Napi::Error&) {}
  }

  std::shared_ptr<Opening> opening_;
};

/**
 * openSealed(key, associated, nonces, chunkBytes, stored, position, target, threads) → Promise<number>: opens chunks,
 * each followed by its tag, into `target`; one for each nonce of 12 bytes, all of `chunkBytes` but the last. `stored`
 * are their bytes, or the number of an open file that has them from `position` on. How many were as they were sealed,
 * and could be read: the bytes of the one after them are zeros, those of later ones what was sealed, zeros, or as they
 * were.
 */
Napi::Value open_sealed(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const Bytes key = bytes_of(env, info[0]), associated = bytes_of(env, info[1]), nonces = bytes_of(env, info[2]);
    const auto chunk = size_t(info[3].As<Napi::Number>().Int64Value());
    Stored stored;
    if (info[4].IsNumber()) {
      stored.file = info[4].As<Napi::Number>().Int32Value();
      stored.position = off_t(info[5].As<Napi::Number>().Int64Value());
    } else stored.bytes = bytes_of(env, info[4]);
    const Bytes target = bytes_of(env, info[6]);
    const int threads = info[7].As<Napi::Number>().Int32Value();
    const size_t count = nonces.length / nonce_bytes;
    const bool fits =
        key.length == key_bytes && associated.length > 0 && associated.length <= 4096 && count > 0 &&
        nonces.length == count * nonce_bytes && chunk > 0 && chunk <= size_t(1) << 30 && threads > 0 && threads <= 64 &&
        (info[4].IsNumber() ? stored.file >= 0 && stored.position >= 0 : stored.bytes.length == target.length + count * tag_bytes) &&
        target.length <= count * chunk && (count == 1 || target.length > (count - 1) * chunk);
    require(fits, "ERR_ARGUMENT", "openSealed: its arrays do not fit together");
    require(libcrypto().found, "ERR_STATE", "openSealed: this Node.js shows no libcrypto to addons");
    const int lanes = int(std::min(count, size_t(threads)));
    const auto opening = std::make_shared<Opening>(env, key, associated, nonces, chunk, stored, lanes);
    opening->hold(info[4], info[6].As<Napi::Object>());
    for (int lane = 0; lane < lanes; lane++) (new Lane(env, opening))->Queue();
    return opening->promise.Promise();
  });
}

/** opensSealed() → whether openSealed() can. */
Napi::Value opens_sealed(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value { return Napi::Boolean::New(env, libcrypto().found); });
}

}  // namespace

std::vector<Exported> sealed_functions() { return {{"openSealed", open_sealed}, {"opensSealed", opens_sealed}}; }

}  // namespace weft
