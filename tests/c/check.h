/* check.h - what the test programs of the core share: checks that are counted, and reported where they fail. */
#ifndef EW_TEST_CHECK_H
#define EW_TEST_CHECK_H

void check(int good, const char *what, double got, double wanted);
void near(const char *what, double got, double wanted, double rtol);

void composition(void); /* test_compose.c */
void turned(void);      /* test_turned.c */
void bent(void);        /* test_bent.c */

#endif
