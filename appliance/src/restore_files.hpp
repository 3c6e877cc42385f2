// Files of a restore: the candidate that is made beside the store, and its taking of the store's place.
// Killed at any step there is under the store's name what was there, or the candidate, or nothing; what was
// there stands under another name by then, whole. Thread rule: one restore at a time, nobody else at the
// store. Never: removes or changes what it was given to restore from.
#pragma once

#include <string>

#include <base/result.hpp>

namespace sigillo::appliance {

std::string candidate_of(const std::string& store);  // STORE.restoring

// The file with its WAL, where it has one, as the candidate's; what was left of another one goes.
base::Result<void> make_candidate(const std::string& source, const std::string& store);
void remove_candidate(const std::string& store);

// The candidate, closed and without a WAL, becomes the store. Gives the name that the file of before has now;
// empty where there was none. STORE.replaced-1, -2, ...
base::Result<std::string> put_in_place(const std::string& store);
// The last of those; empty where there is none.
std::string last_replaced(const std::string& store);
// A restore was killed after it had put the store's file aside and before the candidate took its place: what
// is under the name may lack its WAL, and what was put aside is it, whole.
bool cut_off(const std::string& store);

}  // namespace sigillo::appliance
