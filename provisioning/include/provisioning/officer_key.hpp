// An officer's own key: EC P-256, in a PKCS#8 PEM file (RFC 5958) encrypted with a password (PBES2:
// PBKDF2-HMAC-SHA256, AES-256-CBC), with the public half beside it. It signs acts here, in the officer's
// command, and never reaches the appliance. Thread rule: values and pure functions but for the files. Errors:
// Errc::officer_key, whose detail is a sentence's half.
#pragma once

#include <filesystem>
#include <string>

#include <base/bytes.hpp>
#include <provisioning/certificate.hpp>

namespace sigillo::provisioning {

inline constexpr int kPasswordIterations = 310'000;
inline constexpr std::size_t kPasswordMin = 8;

// FILE (0600) and FILE.pub (PEM, SubjectPublicKeyInfo). Neither may be there.
base::Result<void> write_officer_key(const std::filesystem::path& file, EVP_PKEY& key,
                                     const base::Secret& password, int iterations = kPasswordIterations);
// That it is such a file, without its password.
base::Result<void> check_officer_key(const std::filesystem::path& file);
base::Result<PrivateKey> read_officer_key(const std::filesystem::path& file, const base::Secret& password);
// SEC 1 uncompressed, from a FILE.pub.
base::Result<base::ByteArray<65>> read_officer_public_key(const std::filesystem::path& file);
base::Result<void> write_officer_public_key(const std::filesystem::path& file,
                                            const base::ByteArray<65>& point);
base::Result<base::ByteArray<65>> public_point(EVP_PKEY& key);

// r || s over a digest that has a domain of its own.
base::Result<base::Bytes> sign_digest(EVP_PKEY& key, const base::Digest& digest);

}  // namespace sigillo::provisioning
