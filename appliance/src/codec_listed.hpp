// Listed: a record type that lists its members in `fields(v)`. What both halves of codec.hpp ask of one.
// Thread rule: none, a concept.
#pragma once

namespace sigillo::appliance::codec {

template <class T>
concept Listed = requires(T& t) {
  t.fields([](auto&...) {});
};

}  // namespace sigillo::appliance::codec
