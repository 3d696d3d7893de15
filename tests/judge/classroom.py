def judge_all(ladder, options): pass
