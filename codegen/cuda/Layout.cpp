#include "codegen/cuda/Layout.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <set>

namespace jinx::cuda {

Layout &Layout::input(std::string name, std::vector<Place> bits) {
  assert(std::all_of(bits.begin(), bits.end(), [&](const Place &place) { return place.size() == outputs_.size(); }) && "a bit leads to a number for each output");
  inputs_.push_back({std::move(name), std::move(bits)});
  return *this;
}

size_t Layout::outputNumber(const std::string &name) const {
  auto it = std::find_if(outputs_.begin(), outputs_.end(), [&](auto &output) { return output.first == name; });
  assert(it != outputs_.end() && "the layout has no such output");
  return static_cast<size_t>(it - outputs_.begin());
}

const Layout::Input &Layout::find(const std::string &name) const {
  auto it = std::find_if(inputs_.begin(), inputs_.end(), [&](auto &input) { return input.name == name; });
  assert(it != inputs_.end() && "the layout has no such input");
  return *it;
}

int64_t Layout::extentOf(const std::string &input) const { return int64_t(1) << find(input).bits.size(); }

Layout::Place Layout::at(const Numbers &numbers) const {
  Place place(outputs_.size(), 0);
  for (const auto &[name, number] : numbers) {
    const Input &input = find(name);
    assert(number >> input.bits.size() == 0 && "a number of an input has more bits than the input");
    for (size_t b = 0; b < input.bits.size(); ++b)
      for (size_t o = 0; o < place.size() && (number >> b & 1); ++o) place[o] ^= input.bits[b][o];
  }
  return place;
}

// As many bits in as out, and no sum of places of some bits is nothing: elimination over F2, a place being one number of all its bits.
bool Layout::isBijective() const {
  std::vector<uint64_t> rows;
  size_t outputBits = 0;
  for (auto &output : outputs_) outputBits += static_cast<size_t>(output.second);
  for (const Input &input : inputs_)
    for (const Place &place : input.bits) {
      uint64_t all = 0;
      for (size_t o = 0, shift = 0; o < place.size(); shift += static_cast<size_t>(outputs_[o].second), ++o) {
        if (place[o] >> outputs_[o].second) return false;  // beyond the output's extent
        all |= uint64_t(place[o]) << shift;
      }
      for (uint64_t row : rows) all = std::min(all, all ^ row);
      if (!all) return false;
      rows.push_back(all);
    }
  return rows.size() == outputBits;
}

Layout Layout::then(const Layout &next) const {
  Layout both(next.outputs_);
  for (const Input &input : inputs_) {
    std::vector<Place> bits;
    for (const Place &place : input.bits) {
      Numbers numbers;
      for (size_t o = 0; o < place.size(); ++o) numbers.push_back({outputs_[o].first, place[o]});
      bits.push_back(next.at(numbers));
    }
    both.input(input.name, std::move(bits));
  }
  return both;
}

Layout Layout::split(const std::string &name, const std::vector<std::pair<std::string, std::vector<int>>> &parts) const {
  Layout result(outputs_);
  for (const Input &input : inputs_) {
    if (input.name != name) {
      result.inputs_.push_back(input);
      continue;
    }
    for (const auto &[part, taken] : parts) {
      std::vector<Place> bits;
      for (int b : taken) bits.push_back(input.bits[static_cast<size_t>(b)]);
      result.input(part, std::move(bits));
    }
  }
  return result;
}

std::string Layout::text(const std::string &output, const Texts &inputs) const {
  const size_t o = outputNumber(output);
  std::string text;
  [[maybe_unused]] int64_t seen = 0;  // bits of the output
  for (const auto &[name, variable] : inputs) {
    const std::vector<Place> &bits = find(name).bits;
    for (size_t first = 0, end = 0; first < bits.size(); first = end) {
      const int64_t to = bits[first][o];
      end = first + 1;
      if (!to) continue;
      while (end < bits.size() && bits[end][o] == to << (end - first)) ++end;
      const int64_t leads = to * ((int64_t(1) << (end - first)) - 1);
      assert((to & (to - 1)) == 0 && !(seen & leads) && "only sums of bits that do not meet are text");
      seen |= leads;
      std::string term = variable;
      if (first) term += " / " + std::to_string(int64_t(1) << first);
      if (end < bits.size()) term += " % " + std::to_string(int64_t(1) << (end - first));
      if (to > 1) term += " * " + std::to_string(to);
      text += (text.empty() ? "" : " + ") + term;
    }
  }
  return text.empty() ? "0" : text;
}

int wavefronts(const std::vector<int64_t> &addresses, int bytes) {
  constexpr int kBanks = 32, kWord = 4;
  const size_t together = std::min<size_t>(addresses.size(), static_cast<size_t>(kBanks * kWord / std::max(bytes, kWord)));
  int sum = 0;
  for (size_t first = 0; first < addresses.size(); first += together) {
    std::array<std::set<int64_t>, kBanks> wanted;
    for (size_t lane = first; lane < std::min(first + together, addresses.size()); ++lane)
      for (int64_t word = addresses[lane] / kWord; word <= (addresses[lane] + bytes - 1) / kWord; ++word) wanted[static_cast<size_t>(word % kBanks)].insert(word);
    size_t most = 0;
    for (auto &words : wanted) most = std::max(most, words.size());
    sum += static_cast<int>(most);
  }
  return sum;
}

}  // namespace jinx::cuda
