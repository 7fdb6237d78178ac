// Work that may die is done in processes of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace gradus::testing_support {

// What `work` returns, computed in a child; "died: …" where the child did not live to say it. The caller has no other
// threads.
std::string InChild(const std::function<std::string()>& work);

// Calls `work` for every number in [first, last), in `processes` children at a time, and returns what is not empty, by
// number; a child that dies is an answer, and another one goes on. Ends early after `enough` answers.
std::map<uint64_t, std::string> InChildren(uint64_t first, uint64_t last, int processes, size_t enough,
                                           const std::function<std::string(uint64_t)>& work);

}  // namespace gradus::testing_support
