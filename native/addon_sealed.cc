// Chunks that AES-256-GCM sealed are opened on a thread of the pool, right where their bytes are wanted: node:crypto
// gives each piece in memory of its own, which costs more than the cipher. The cipher is that of the libcrypto that
// Node.js has in it: it exports OpenSSL's functions for addons, https://nodejs.org/api/addons.html.
#include <dlfcn.h>

#include <array>
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

/** Chunks of one file, and where they go. The arrays of JavaScript stay until it is done. */
class Opening : public Napi::AsyncWorker {
 public:
  Opening(Napi::Env env, const Bytes& key, const Bytes& associated, const Bytes& nonces, size_t chunk)
      : Napi::AsyncWorker(env),
        promise(Napi::Promise::Deferred::New(env)),
        associated_(associated.data, associated.data + associated.length),
        nonces_(nonces.data, nonces.data + nonces.length),
        chunk_(chunk) {
    std::memcpy(key_.data(), key.data, key_bytes);
  }
  ~Opening() override { libcrypto().cleanse(key_.data(), key_bytes); }

  void hold(const Napi::Object& stored, const Napi::Object& target) {
    stored_ = bytes_of(Env(), stored);
    target_ = bytes_of(Env(), target);
    held_[0] = Napi::Persistent(stored);
    held_[1] = Napi::Persistent(target);
  }

  void Execute() override {
    const Libcrypto& crypto = libcrypto();
    void* const context = crypto.create();
    if (context == nullptr) return SetError("out of memory");
    const size_t count = nonces_.size() / nonce_bytes;
    for (; opened_ < count; opened_++) {
      const size_t from = opened_ * chunk_, length = std::min(chunk_, target_.length - from);
      if (open(context, from, length)) continue;
      // nobody is to see what was not proven to be as it was sealed
      if (length > 0) std::memset(target_.data + from, 0, length);
      crypto.clear_errors();
      break;
    }
    crypto.free(context);
  }
  void OnOK() override { promise.Resolve(Napi::Number::New(Env(), double(opened_))); }
  void OnError(const Napi::Error& error) override { promise.Reject(to_javascript(Env(), "ERR_OUT_OF_MEMORY", error.Message()).Value()); }

  Napi::Promise::Deferred promise;

 private:
  bool open(void* context, size_t from, size_t length) {
    const Libcrypto& crypto = libcrypto();
    uint8_t* const stored = stored_.data + from + opened_ * tag_bytes;
    int done = 0;
    std::array<uint8_t, tag_bytes> rest;
    return crypto.begin(context, opened_ == 0 ? crypto.cipher() : nullptr, nullptr, key_.data(), &nonces_[opened_ * nonce_bytes]) == 1 &&
           crypto.update(context, nullptr, &done, associated_.data(), int(associated_.size())) == 1 &&
           (length == 0 || crypto.update(context, target_.data + from, &done, stored, int(length)) == 1) &&
           crypto.control(context, set_tag, int(tag_bytes), stored + length) == 1 && crypto.end(context, rest.data(), &done) == 1;
  }

  std::array<uint8_t, key_bytes> key_;
  std::vector<uint8_t> associated_, nonces_;
  size_t chunk_, opened_ = 0;
  Bytes stored_{}, target_{};
  Napi::ObjectReference held_[2];
};

/**
 * openSealed(key, associated, nonces, chunkBytes, stored, target) → Promise<number>: opens the chunks in `stored`, each
 * followed by its tag, into `target`; one for each nonce of 12 bytes, all of `chunkBytes` but the last. How many were
 * as they were sealed: the bytes of the one after them are zeros, and none behind it was opened.
 */
Napi::Value open_sealed(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const Bytes key = bytes_of(env, info[0]), associated = bytes_of(env, info[1]), nonces = bytes_of(env, info[2]);
    const auto chunk = size_t(info[3].As<Napi::Number>().Int64Value());
    const Bytes stored = bytes_of(env, info[4]), target = bytes_of(env, info[5]);
    const size_t count = nonces.length / nonce_bytes;
    const bool fits = key.length == key_bytes && associated.length > 0 && associated.length <= 4096 && count > 0 &&
                      nonces.length == count * nonce_bytes && chunk > 0 && chunk <= size_t(1) << 30 &&
                      stored.length == target.length + count * tag_bytes && target.length <= count * chunk &&
                      (count == 1 || target.length > (count - 1) * chunk);
    require(fits, "ERR_ARGUMENT", "openSealed: its arrays do not fit together");
    require(libcrypto().found, "ERR_STATE", "openSealed: this Node.js shows no libcrypto to addons");
    auto* const opening = new Opening(env, key, associated, nonces, chunk);
    const Napi::Value promise = opening->promise.Promise();
    opening->hold(info[4].As<Napi::Object>(), info[5].As<Napi::Object>());
    opening->Queue();
    return promise;
  });
}

/** opensSealed() → whether openSealed() can. */
Napi::Value opens_sealed(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value { return Napi::Boolean::New(env, libcrypto().found); });
}

}  // namespace

std::vector<Exported> sealed_functions() { return {{"openSealed", open_sealed}, {"opensSealed", opens_sealed}}; }

}  // namespace weft
