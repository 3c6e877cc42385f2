// The compact binary form of sealed records. Each record type lists its members once, in `fields(v)`, and
// both directions follow from that list. Integers are LEB128 varints (signed ones zig-zag), texts and vectors
// carry their length, an optional a presence byte, a variant its index; what was appended to a type later is
// whatever bytes are left, and its default where none are. The reader checks every bound: a
// record that does not decode whole, to the last byte, is none. (Why not a library:
// docs/DECISIONS.md.) Thread rule: values.
#pragma once

#include "codec_reader.hpp"
#include "codec_writer.hpp"

namespace sigillo::appliance::codec {

template <class T>
base::Bytes encode(const T& record) {
  Writer writer;
  writer(record);
  return writer.take();
}
template <class T>
std::optional<T> decode(base::ByteView bytes) {
  T record{};
  Reader reader(bytes);
  reader(record);
  if (!reader.whole()) return std::nullopt;
  return record;
}

}  // namespace sigillo::appliance::codec
