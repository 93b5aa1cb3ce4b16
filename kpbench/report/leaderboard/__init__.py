"""The page, the lines and the CSV of a leaderboard."""
