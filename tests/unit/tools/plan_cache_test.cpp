#include "tools/common/PlanCache.h"

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jinx::tools {
namespace {

namespace fs = std::filesystem;

class PlanCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("plan_cache." + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) const {
    const fs::path path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }

  fs::path folder_;
};

TEST_F(PlanCacheTest, AFileIsTheSameUntilItChanges) {
  const std::string path = write("model.gguf", "12345");
  const std::string first = *identityOf(path);
  EXPECT_THAT(first, testing::HasSubstr("model.gguf 5 bytes"));
  EXPECT_EQ(*identityOf(path), first);
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  EXPECT_NE(*identityOf(path), first);
  EXPECT_NE(*identityOf(write("model.gguf", "123456")), first);
  EXPECT_FALSE(identityOf((folder_ / "none").string()));
}

TEST_F(PlanCacheTest, AFolderIsItsFiles) {
  write("config.json", "{}");
  const std::string first = *identityOf(folder_.string());
  write("model.safetensors", "x");
  EXPECT_NE(*identityOf(folder_.string()), first);
}

TEST_F(PlanCacheTest, KeysNamePlans) {
  const PlanCache cache((folder_ / "plans").string());
  EXPECT_EQ(cache.pathOf("a"), cache.pathOf("a"));
  EXPECT_NE(cache.pathOf("a"), cache.pathOf("b"));
  EXPECT_FALSE(cache.touch(cache.pathOf("a")));
  ASSERT_TRUE(cache.prepare().isOk());
  std::ofstream(cache.pathOf("a")) << "plan";
  EXPECT_TRUE(cache.touch(cache.pathOf("a")));
}

TEST_F(PlanCacheTest, WhatWasNotUsedForLongestGoesFirst) {
  const PlanCache cache(folder_.string(), 25);
  std::vector<std::string> plans;
  for (int i = 0; i < 3; ++i) {
    plans.push_back(write(std::to_string(i) + ".jxp", "ten bytes."));
    fs::last_write_time(plans.back(), fs::file_time_type::clock::now() - std::chrono::hours(3 - i));
  }
  const std::string other = write("notes.txt", "this is no plan, and longer than all of them");
  ASSERT_TRUE(cache.touch(plans[0]));
  cache.trim(plans[2]);
  EXPECT_TRUE(fs::exists(plans[0]));
  EXPECT_FALSE(fs::exists(plans[1]));
  EXPECT_TRUE(fs::exists(plans[2]));
  EXPECT_TRUE(fs::exists(other));
}

TEST_F(PlanCacheTest, APlanThatIsTooLargeStays) {
  const PlanCache cache(folder_.string(), 5);
  const std::string plan = write("0.jxp", "ten bytes.");
  cache.trim(plan);
  EXPECT_TRUE(fs::exists(plan));
}

} // namespace
} // namespace jinx::tools
